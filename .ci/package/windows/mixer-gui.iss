; Inno Setup 6.3 or newer:  iscc /DAppVersion=0.1.0 /DFlavour=cpu .ci\package\windows\mixer-gui.iss
; Packs dist\mixer-gui into dist\mixer-gui-VERSION-windows-FLAVOUR-setup.exe, for the user who runs it or, where they
; choose so, for all. Settings, downloaded models and logs lie in the user's own folders, which neither an upgrade nor
; the uninstaller touches.
#ifndef AppVersion
  #error Give the version: /DAppVersion=0.1.0
#endif
#ifndef Flavour
  #error Give the flavour: /DFlavour=cpu or /DFlavour=cuda
#endif
#define Name "Mixer GUI"
#define Program "mixer-gui.exe"

[Setup]
; Both flavours are one application: the one that is installed last takes the other's place.
AppId=io.github.mixer_gui.MixerGui
AppName={#Name}
AppVersion={#AppVersion}
AppPublisher=The Mixer GUI project
VersionInfoVersion={#AppVersion}
SourceDir=..\..\..
OutputDir=dist
OutputBaseFilename=mixer-gui-{#AppVersion}-windows-{#Flavour}-setup
SetupIconFile=build\icons\mixer-gui.ico
UninstallDisplayIcon={app}\{#Program}
UninstallDisplayName={#Name}
DefaultDirName={autopf}\{#Name}
DisableProgramGroupPage=yes
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=dialog
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
; Windows 10 1809, the oldest for Qt
MinVersion=10.0.17763
; Asks whether a running window may be closed; the window saves its settings then.
CloseApplications=yes
RestartApplications=no
ChangesAssociations=yes
WizardStyle=modern
Compression=lzma2/max
SolidCompression=yes
LZMAUseSeparateProcess=yes
#if Flavour == "cuda"
; GitHub takes no file of 2 GiB or more: the data lie in setup-1.bin, setup-2.bin and so on, beside setup.exe.
DiskSpanning=yes
DiskSliceSize=1900000000
#endif

[Languages]
Name: "en"; MessagesFile: "compiler:Default.isl"

[Tasks]
Name: "desktopicon"; Description: "{cm:CreateDesktopIcon}"; GroupDescription: "{cm:AdditionalIcons}"; Flags: unchecked

[InstallDelete]
; What the version before had and the new one may not have. Nothing of the user's lies in there.
Type: filesandordirs; Name: "{app}\_internal"

[Files]
Source: "dist\mixer-gui\*"; DestDir: "{app}"; Flags: ignoreversion recursesubdirs createallsubdirs

[Icons]
Name: "{autoprograms}\{#Name}"; Filename: "{app}\{#Program}"
Name: "{autodesktop}\{#Name}"; Filename: "{app}\{#Program}"; Tasks: desktopicon

[Registry]
; "Open with" offers the application; what a double click opens stays as it is.
Root: HKA; Subkey: "Software\Classes\Applications\{#Program}"; \
  ValueType: string; ValueName: "FriendlyAppName"; ValueData: "{#Name}"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\Applications\{#Program}\shell\open\command"; \
  ValueType: string; ValueData: """{app}\{#Program}"" ""%1"""
Root: HKA; Subkey: "Software\Classes\MixerGui.Media.1"; \
  ValueType: string; ValueData: "Picture or video"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\MixerGui.Media.1\DefaultIcon"; ValueType: string; ValueData: "{app}\{#Program},0"
Root: HKA; Subkey: "Software\Classes\MixerGui.Media.1\shell\open\command"; \
  ValueType: string; ValueData: """{app}\{#Program}"" ""%1"""

; The formats that the application opens, each with a space behind it
#define Suffixes \
  ".3gp .apng .avi .avif .avifs .bmp .cur .dds .dib .flv .gif .heic .heics .heif .heifs .hif .icns .ico " + \
  ".j2c .j2k .jfif .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mpo .mts " + \
  ".ogv .pbm .pcx .pfm .pgm .png .pnm .ppm .psd .qoi .ras .sgi .tga .tif .tiff .ts .webm .webp .wmv " + \
  ".xbm .xpm "
#define Rest
#define Suffix
#sub RegisterSuffix
  #define Suffix = Copy(Rest, 1, Pos(" ", Rest) - 1)
Root: HKA; Subkey: "Software\Classes\Applications\{#Program}\SupportedTypes"; \
  ValueType: string; ValueName: "{#Suffix}"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\{#Suffix}\OpenWithProgids"; \
  ValueType: string; ValueName: "MixerGui.Media.1"; ValueData: ""; Flags: uninsdeletevalue uninsdeletekeyifempty
#endsub
#for {Rest = Suffixes; Pos(" ", Rest) > 0; Rest = Copy(Rest, Pos(" ", Rest) + 1)} RegisterSuffix

[Run]
Filename: "{app}\{#Program}"; Description: "{cm:LaunchProgram,{#Name}}"; Flags: nowait postinstall skipifsilent
