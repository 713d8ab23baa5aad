# A thin door to meson: `make`, `make demo`, `make test`, `make bench`. Everything a target needs
# on a fresh Debian 12 is installed by it, from Debian, by package name.

BUILD ?= build
ASAN ?= build-asan
TSAN ?= build-tsan
KEEP ?=
export KEEP

.PHONY: all demo test test-all bench bench-veth bench-peers lint format install clean deps deps-test

all: deps
	@build-aux/build $(BUILD)

demo: all
	@$(BUILD)/myelin lab up $(if $(KEEP),,--once) examples/four-dcs.conf

# Tests run what users run (the plain build) and, for everything that is C, a build with
# AddressSanitizer and UndefinedBehaviorSanitizer beside it. What threads share gets one with the
# ThreadSanitizer.
test: deps-test
	@build-aux/build $(BUILD)
	@build-aux/build $(ASAN) -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1
	@TARGETS=thread-tests build-aux/build $(TSAN) -Db_sanitize=thread \
		-Db_lundef=false -Doptimization=1
	@test/run --build $(BUILD) --asan $(ASAN) --tsan $(TSAN)

bench: all
	@$(BUILD)/bench/paths --json $(BUILD)/bench.json
	@$(BUILD)/bench/paths --sas 1 --sas 4 --sas 64 --sas 1000 --path esp-tunnel-gcm-256 \
		--json $(BUILD)/bench-sas.json
	@$(BUILD)/bench/paths --sweep --path macsec-xpn-256 --json $(BUILD)/bench-sweep-macsec.json
	@$(BUILD)/bench/paths --sweep --path esp-tunnel-gcm-256 --json $(BUILD)/bench-sweep-esp.json
	@$(BUILD)/bench/cores --json $(BUILD)/bench-cores.json
	@bench/stages --build $(BUILD) --json $(BUILD)/bench-stages.json
	@$(BUILD)/bench/hostile --json $(BUILD)/bench-hostile.json
	@$(BUILD)/bench/handshakes --json $(BUILD)/bench-ike.json
	@$(BUILD)/bench/groups --json $(BUILD)/bench-groups.json
	@$(BUILD)/bench/lpm --json $(BUILD)/bench-lpm.json
	@$(BUILD)/bench/routes --json $(BUILD)/bench-routes.json

# As root, for namespaces: the same path through TAPs and packet sockets.
bench-veth: all
	@bench/veth --json $(BUILD)/bench-veth.json

# As root. The peers are Debian's packages, unpacked below build/roots and never installed.
bench-peers: all
	@bench/peers --json $(BUILD)/bench-peers.json

lint: deps-test
	@build-aux/lint $(BUILD)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

install: all
	@meson install -C $(BUILD) --no-rebuild

deps:
	@build-aux/install-deps build

deps-test:
	@build-aux/install-deps test

clean:
	rm -rf build build-*
