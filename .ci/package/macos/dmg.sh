#!/usr/bin/env bash
# `bash .ci/package/macos/dmg.sh`: dist/Mixer GUI.app -> dist/mixer-gui-VERSION-macos-ARCHITECTURE.dmg.
# The application keeps the ad-hoc signature that PyInstaller gave it, unless the environment names an identity:
#   CODESIGN_IDENTITY                         "Developer ID Application: …", in a keychain that is open
#   NOTARY_KEY NOTARY_KEY_ID NOTARY_ISSUER    an App Store Connect key (path of its .p8 file), to have it notarized
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

app="dist/Mixer GUI.app"
version="$(/usr/libexec/PlistBuddy -c 'Print :CFBundleShortVersionString' "$app/Contents/Info.plist")"
image="dist/mixer-gui-$version-macos-$(uname -m).dmg"

if [[ -n "${CODESIGN_IDENTITY:-}" ]]; then
  codesign --force --deep --options runtime --timestamp --entitlements .ci/package/macos/entitlements.plist \
    --sign "$CODESIGN_IDENTITY" "$app"
fi
codesign --verify --deep --strict "$app"

staging="$(mktemp -d)"
trap 'rm -rf "$staging"' EXIT
ditto "$app" "$staging/Mixer GUI.app"
ln -s /Applications "$staging/Applications"
hdiutil create -volname "Mixer GUI" -srcfolder "$staging" -format ULMO -ov "$image"

if [[ -n "${CODESIGN_IDENTITY:-}" ]]; then
  codesign --timestamp --sign "$CODESIGN_IDENTITY" "$image"
fi
if [[ -n "${NOTARY_KEY:-}" ]]; then
  xcrun notarytool submit "$image" --wait --key "$NOTARY_KEY" --key-id "$NOTARY_KEY_ID" --issuer "$NOTARY_ISSUER"
  xcrun stapler staple "$image"
fi
