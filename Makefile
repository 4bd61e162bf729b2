# make ISO=/path/to/installer.iso ARGUMENTS="--accept-eula --root-password-file FILE"
#                                   build vmware-esxi-<version>-<build>.dd.gz (without ISO=: from a stand-in ISO)
# make test                         run every test, and say first how long it took the last time
# make lint                         style, types, import arrows
# make faults                       every fault at every step of what runs on the host, as a table
# make kills                        builds killed at every call that creates, links, renames, unlinks or syncs
# make random-hosts COUNT=20000     random hosts under every setting of the fake ESXi's dials, judged independently
# make mutants                      seeded defects of planner and undo: which of them the random hosts find
# make fuzz SECONDS=60              hostile input for every reader; findings stay in build/fuzz
# make fuzz-coverage SECONDS=600    the same, guided by coverage (Atheris: CPython 3.11, Linux x86-64)
# make fuzz-branches                branches of each reader that the fuzzer reaches
# make benchmark                    speed and memory, as ratios against named peers
# make deb                          dist/esxforge_VERSION_ARCHITECTURE.deb, with all that it needs besides Python
# make man                          build/man: a man page for each verb
# make pictures                     the README's pictures, from real output
# make demo                         the whole way with stand-ins, in QEMU, told step by step; ARGUMENTS=--watch shows the
#                                   machine's screen in a browser

PYTHON ?= python3
ISO ?=
ARGUMENTS ?=
COUNT ?= 20000
SECONDS ?= 60
VENV := .venv/bin
DEBIAN_TEST_PACKAGES := binutils busybox-static chromium dmsetup dosfstools fish gdisk golang-github-vmware-govmomi-dev \
	golang-go groff-base gzip kmod libvirt-clients libxml2-utils lvm2 mdadm mtools openssl ovmf parted pigz \
	qemu-system-x86 qemu-utils sbsigntool strace syslinux syslinux-common util-linux wget xorriso xz-utils zsh zstd

export PYTHON

.PHONY: image test demo lint format benchmark faults kills random-hosts mutants fuzz fuzz-coverage fuzz-branches deb man
.PHONY: pictures clean
image:
	$(VENV)/python tools/make_image.py "$(ISO)" $(ARGUMENTS)

test: .stamps/dev .stamps/debian .stamps/wheels
	@tools/timed .stamps/test-seconds $(VENV)/pytest -n auto --dist worksteal

lint: .stamps/dev
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy
	$(VENV)/lint-imports

format: .stamps/dev
	$(VENV)/ruff check --fix
	$(VENV)/ruff format

benchmark: .stamps/dev .stamps/debian
	PYTHONPATH=tests $(VENV)/python -m benchmarks

faults: .stamps/dev
	PYTHONPATH=tests $(VENV)/python -m target.agent.faults

kills: .stamps/dev .stamps/debian
	PYTHONPATH=tests $(VENV)/python -m unit.local.kills

random-hosts: .stamps/dev
	PYTHONPATH=tests $(VENV)/python -m target.judge.run --count $(COUNT) $(ARGUMENTS)

mutants: .stamps/dev
	PYTHONPATH=tests $(VENV)/python -m target.judge.mutants $(ARGUMENTS)

# Without a hash seed the order of sets, and with it what a fuzzer's seed leads to, would differ from run to run.
fuzz: .stamps/dev .stamps/debian
	PYTHONHASHSEED=0 PYTHONPATH=tests $(VENV)/python -m fuzz $(SECONDS) $(ARGUMENTS)

fuzz-coverage: .stamps/dev .stamps/fuzz .stamps/debian
	PYTHONPATH=tests $(VENV)/python -m fuzz.guided $(SECONDS) $(ARGUMENTS)

fuzz-branches: .stamps/dev .stamps/fuzz .stamps/debian
	PYTHONHASHSEED=0 PYTHONPATH=tests $(VENV)/coverage run --branch --source=src -m fuzz $(SECONDS) $(ARGUMENTS)
	PYTHONPATH=tests $(VENV)/python -m fuzz.branches

demo: .stamps/dev .stamps/debian
	PYTHONPATH=tests $(VENV)/python -m whole_way.demo $(ARGUMENTS)

deb: .stamps/dev .stamps/wheels
	$(VENV)/python tools/make_deb.py build/wheels dist

man: .stamps/dev
	$(VENV)/python tools/man_pages.py build/man

pictures: .stamps/dev
	$(VENV)/python tools/pictures.py

clean:
	rm -rf .venv .stamps build dist

# What tests need stands in dev.txt, which holds all of build.txt: one is enough.
ifneq ($(wildcard .stamps/dev),)
image: .stamps/dev
else
image: .stamps/build
endif
.stamps/build .stamps/dev .stamps/fuzz: .stamps/%: requirements/%.txt pyproject.toml tools/setup
	tools/setup $*
	mkdir -p .stamps && touch $@

# The pinned wheels, for packages and for the tests that install them: those use no network.
.stamps/wheels: requirements/build.txt | .stamps/dev
	rm -rf build/wheels
	$(VENV)/python -m pip download --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
		-d build/wheels -r requirements/build.txt
	touch $@

.stamps/debian: Makefile tools/debian-packages tools/guest-linux
	tools/debian-packages $(DEBIAN_TEST_PACKAGES)
	tools/guest-linux build/guest-linux
	mkdir -p .stamps && touch $@
