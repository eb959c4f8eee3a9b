#!/usr/bin/env bash
# `bash .ci/package/linux/deb.sh`: dist/mixer-gui as a Debian package and as a portable archive, both in dist/.
# Needs dpkg-dev, xz-utils and the libraries of the system that the program loads: the package depends on theirs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
HERE=.ci/package/linux
BUNDLE=dist/mixer-gui
VERSION="$("$BUNDLE/mixer-gui-cli" --version | awk '{print $2}')"
ARCHITECTURE="$(dpkg --print-architecture)"
FLAVOUR=cpu
[[ -e "$BUNDLE/_internal/torch/lib/libtorch_cuda.so" ]] && FLAVOUR=cuda
NAME="mixer-gui-$VERSION-linux-$FLAVOUR-$ARCHITECTURE"
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
DATE="$(date --utc --date="@$SOURCE_DATE_EPOCH" +%F)"
ROOT=build/deb

filled() { sed -e "s/@VERSION@/$VERSION/g" -e "s/@DATE@/$DATE/g" -e "s|@MIME_TYPES@|$(mime_types)|" "$1"; }
mime_types() {
  local types=(
    image/{jpeg,png,gif,webp,avif,heif,heic,tiff,bmp,jp2,vnd.microsoft.icon,x-tga,x-portable-pixmap,x-portable-anymap}
    image/{vnd.adobe.photoshop,qoi,x-dds,x-pcx} video/{mp4,quicktime,x-matroska,webm,x-msvideo,mpeg,x-m4v,ogg,3gpp}
  )
  printf '%s;' "${types[@]}"
}

rm -rf "$ROOT"
mkdir -p "$ROOT"/usr/{bin,lib,share/{applications,metainfo,man/man1,doc/mixer-gui,lintian/overrides}} "$ROOT/DEBIAN"
cp -a "$BUNDLE" "$ROOT/usr/lib/mixer-gui"
for program in mixer-gui mixer-gui-cli; do ln -s "../lib/mixer-gui/$program" "$ROOT/usr/bin/$program"; done
filled "$HERE/io.github.mixer_gui.MixerGui.desktop" >"$ROOT/usr/share/applications/io.github.mixer_gui.MixerGui.desktop"
filled "$HERE/io.github.mixer_gui.MixerGui.metainfo.xml" \
  >"$ROOT/usr/share/metainfo/io.github.mixer_gui.MixerGui.metainfo.xml"
filled "$HERE/mixer-gui.1" | gzip -9n >"$ROOT/usr/share/man/man1/mixer-gui.1.gz"
ln -s mixer-gui.1.gz "$ROOT/usr/share/man/man1/mixer-gui-cli.1.gz"
for size in 16 22 24 32 48 64 128 256 512; do
  install -Dm644 "build/icons/mixer-gui-$size.png" "$ROOT/usr/share/icons/hicolor/${size}x$size/apps/mixer-gui.png"
done
install -Dm644 assets/icon/mixer-gui.svg "$ROOT/usr/share/icons/hicolor/scalable/apps/mixer-gui.svg"
cp "$HERE/lintian-overrides" "$ROOT/usr/share/lintian/overrides/mixer-gui"
cp "$HERE/copyright" "$ROOT/usr/share/doc/mixer-gui/copyright"
printf 'mixer-gui (%s) unstable; urgency=medium\n\n  * Release %s.\n\n -- %s  %s\n' "$VERSION" "$VERSION" \
  "$(sed -n 's/^Maintainer: //p' "$HERE/control")" "$(date --utc -R --date="@$SOURCE_DATE_EPOCH")" |
  gzip -9n >"$ROOT/usr/share/doc/mixer-gui/changelog.gz"
chmod -R u+rwX,go+rX,go-w "$ROOT/usr"
find "$ROOT/usr/lib" -type f \( -name '*.so*' -o -name '*.txt' -o -name '*.json' \) -exec chmod 644 {} +

# The libraries of the system that any file of the bundle loads, as packages with the oldest version that will do.
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian"
printf 'Source: mixer-gui\n\nPackage: mixer-gui\nArchitecture: any\n' >"$work/debian/control"
mapfile -t elves < <(find "$PWD/$ROOT/usr/lib/mixer-gui" -type f \( -name '*.so*' -o -perm -u+x \) -exec sh -c \
  'head -c 4 "$1" | grep -q ELF && printf "%s\n" "$1"' _ {} \;)
mapfile -t folders < <(printf '%s\n' "${elves[@]%/*}" | sort -u)
libraries="$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "${folders[@]/#/-l}" "${elves[@]}" 2>"$work/said" |
  sed -n 's/^shlibs:Depends=//p')" || { cat "$work/said" >&2; exit 1; }
size_kb="$(du -sk --apparent-size "$ROOT/usr" | cut -f1)"
sed -e "s/@VERSION@/$VERSION/" -e "s/@ARCHITECTURE@/$ARCHITECTURE/" -e "s/@SIZE@/$size_kb/" \
  -e "s|@LIBRARIES@|$libraries|" "$HERE/control" >"$ROOT/DEBIAN/control"
(cd "$ROOT" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k2) >"$ROOT/DEBIAN/md5sums"
chmod 644 "$ROOT/DEBIAN"/*
dpkg-deb --root-owner-group -Zxz --build "$ROOT" "dist/mixer-gui_${VERSION}_${FLAVOUR}_$ARCHITECTURE.deb"
XZ_OPT="-6 -T0" tar --create --xz --file "dist/$NAME.tar.xz" --owner=0 --group=0 --sort=name \
  --mtime="@$SOURCE_DATE_EPOCH" --directory dist mixer-gui
