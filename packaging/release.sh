#!/usr/bin/env bash
# release.sh [VERSION]: builds everything that is handed out into dist/: archives for five systems, deb and rpm for two
# architectures, and SHA256SUMS. The same sources and version give the same archives.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:-$(sed -n 's/^\trelease = "\(.*\)"$/\1/p' cmd/lightpush/version.go)}
commit=${COMMIT:-$(git rev-parse HEAD 2>/dev/null || true)}
if [[ -z $version || $version == v* ]]; then
	echo "release.sh: a version looks like 0.1.0" >&2
	exit 1
fi
nfpm="go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

rm -rf dist
mkdir -p dist/stage
host=dist/stage/host
CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$host" ./cmd/lightpush
"$host" completion bash >dist/stage/completion.bash
"$host" completion zsh >dist/stage/completion.zsh

for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64; do
	os=${target%/*} arch=${target#*/}
	stage=dist/stage/$os-$arch
	program=lightpush format=tar.gz
	if [ "$os" = windows ]; then program=lightpush.exe format=zip; fi
	mkdir -p "$stage"
	echo "building $target"
	CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false \
		-ldflags "-s -w -X main.release=$version -X main.commit=$commit" -o "$stage/$program" ./cmd/lightpush
	files=("$stage/$program" LICENSE README.md README.zh-CN.md CHANGELOG.md config.yaml)
	if [ "$os" = linux ]; then files+=(packaging/systemd/*.service); fi
	go run ./packaging/pack "dist/lightpush_${version}_${os}_${arch}.$format" "${files[@]}"
	if [ "$os" = linux ]; then
		cp dist/stage/completion.* "$stage"
		for packager in deb rpm; do
			VERSION=$version ARCH=$arch STAGE=$stage $nfpm package -f packaging/nfpm.yaml -p "$packager" \
				-t "dist/lightpush_${version}_$arch.$packager"
		done
	fi
done

rm -rf dist/stage
(cd dist && sha256sum lightpush_* >SHA256SUMS)
ls -l dist
