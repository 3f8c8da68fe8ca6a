# Everything here is a Debian package; scripts/packages.txt names it, docs/dependencies.md says why.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
# Optional: without it there are no runs on a NATS server (journal/nats/no_nats.cc). Debian's own CMake
# file of libnats is broken.
pkg_check_modules(NATS IMPORTED_TARGET libnats>=3.4)
find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)
find_package(Torch REQUIRED)
