#!/usr/bin/env bash
# Installs into a temporary prefix and builds one program through pkg-config and one through the CMake config.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=$(mktemp -d); trap 'rm -rf "$prefix"' EXIT
cmake --install build/release --prefix "$prefix" >/dev/null
libdir=$(dirname "$(find "$prefix" -name quiver.pc)")
export PKG_CONFIG_PATH=$libdir LD_LIBRARY_PATH=$(dirname "$libdir")

gcc -std=c11 -Wall -Werror examples/hello.c -o "$prefix/hello" $(pkg-config --cflags --libs quiver)
(cd "$prefix" && ./hello memory://)

mkdir "$prefix/app"
cat > "$prefix/app/CMakeLists.txt" <<'EOF'
cmake_minimum_required(VERSION 3.25)
project(app C)
find_package(quiver REQUIRED)
add_executable(app hello.c)
target_link_libraries(app quiver::quiver)
EOF
cp examples/hello.c "$prefix/app/"
cmake -S "$prefix/app" -B "$prefix/app/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$prefix/app/build" >/dev/null
"$prefix/app/build/app" memory://
"$prefix/bin/quiver" --version
