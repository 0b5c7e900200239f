# Two commands are enough: `make run` to try Portwarden, `make test` to test it. Both install what they need.

# Daemons live where an ordinary user's PATH does not lead.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.PHONY: help run test test-fast test-busy soak demo-ci demo-acme demo-replicas test-acme test-helm test-issuers test-registry3 attack attack-tags prove-closure prove-replay prove-reads fuzz \
	tools profile bench bench-quick bench-micro fmt lint \
	lint-code deny advisories man pictures recording site deb package-test sbom release

help:
	@echo 'make run    a registry and Portwarden before it, with the sample configuration; Ctrl-C stops both'
	@echo 'make test   every test, with real registries and real clients'
	@echo 'make test-fast  the tests that start no other program'
	@echo 'make test-busy  the same RUNS=3 times beside LOOPS=6 busy loops: tests must not depend on the speed of the machine'
	@echo 'make soak   everything at once for MINUTES=5, every byte compared, memory and descriptors watched'
	@echo 'make demo-ci  a CI job without a stored password: docker pushes for longer than its JWT of JWT_SECONDS=60 lives'
	@echo 'make demo-acme  from nothing to a certificate of a test authority, and its renewal while clients pull'
	@echo 'make demo-replicas  two replicas behind HAProxy: a login, an upload, a revocation, and one killed under 200 pulls'
	@echo 'make test-acme  certificates by ACME, also of step-ca, which it compiles: minutes, once'
	@echo 'make test-helm  the Helm chart, with helm, which it compiles: minutes, once'
	@echo 'make test-issuers  logins with JWTs of Keycloak, which it fetches: 170 MB'
	@echo 'make test-registry3  the tests of clients, the API, the catalogue and the pages with registry 3 instead of 2.8'
	@echo 'make attack attack tools against it: testssl.sh, slowhttptest, h2load, probes; takes a quarter of an hour'
	@echo 'make prove-closure  an account with tag: 1.* asks for every digest, after STEPS=200 random pushes and deletions'
	@echo 'make prove-reads    answers from the files of the registry, beside those without, for MINUTES=60 while all changes'
	@echo 'make prove-replay   each difference between two lists of rules is listed, and no other'
	@echo 'make attack-tags  every way to move, delete or hollow out a write-once tag, and PUSHES=1000 racing pushes'
	@echo 'make fuzz   fuzz each target for a minute, or: make fuzz SECONDS=300 TARGETS="routing token"'
	@echo 'make bench  compare with nginx, HAProxy and the registry alone; takes 50 minutes. With ONLY="pull push" a part'
	@echo 'make bench-quick  the same with everything smaller, in two minutes'
	@echo 'make profile  record the profile by which the shipped program is optimized: see RELEASING.md'
	@echo 'make bench-micro  measure the parts: rules, tokens, paths, pages, passwords under attack'
	@echo 'make deb    a Debian package, in target/debian'
	@echo 'make tools  install what the tests start, of a known version'
	@echo 'make package-test  install, upgrade and purge the Debian package'
	@echo 'make man    write the man pages, the shell completions and the keys in the documents anew'
	@echo 'make pictures  take the pictures of the web pages anew, in docs/screenshots'
	@echo 'make recording  the recording of the README anew, in docs/recording.cast and .svg'
	@echo 'make site   a site of the documents, in target/site/html, without dead links'
	@echo 'make fmt    format the code'
	@echo 'make lint   what CI checks besides the tests: format, lints, documentation, the dependencies'
	@echo 'make advisories  ask the RustSec database about the dependencies'
	@echo 'make release  the artefacts of a tagged release, in target/artifacts: see RELEASING.md'

# Where cargo puts what it builds.
built := $(or $(CARGO_TARGET_DIR),target)

# Programs of a known version, kept apart from others that are installed: tools/NAME/VERSION/bin/NAME.
cargo_deb := $(built)/tools/cargo-deb/3.8.0/bin/cargo-deb
cargo_deny := $(built)/tools/cargo-deny/0.20.2/bin/cargo-deny
cargo_cyclonedx := $(built)/tools/cargo-cyclonedx/0.5.9/bin/cargo-cyclonedx
mdbook := $(built)/tools/mdbook/0.5.4/bin/mdbook

# They run for a second, so they are compiled in a hurry.
$(cargo_deny) $(cargo_cyclonedx) $(mdbook): export CARGO_PROFILE_RELEASE_OPT_LEVEL := 0
$(cargo_deny) $(cargo_cyclonedx) $(mdbook): export CARGO_PROFILE_RELEASE_LTO := off
# Without its web server.
$(mdbook): features := --no-default-features --features search

$(built)/tools/%:
	cargo install --quiet --locked --root $(@D:/bin=) --version $(notdir $(@D:/bin=)) $(features) $(@F)

run:
	@.ci/install run
	@certs/self-signed
	cargo build --profile try --locked
	@config/run

# The tests start a docker daemon of their own, which is root's to do.
as_root := $(if $(filter-out 0,$(shell id -u)),--config "target.'cfg(unix)'.runner = 'sudo -E'")

# Tests wait for other programs much of the time: one more at a time than there are processors keeps these busy.
test: export RUST_TEST_THREADS ?= $(shell expr $$(nproc) + 1)
test: export PORTWARDEN_TEST_TOOLS_ONLY = 1
test: tools
	cargo test --locked --no-fail-fast $(as_root)

# They ask nothing of the machine but a compiler.
test-fast:
	cargo test --locked --no-fail-fast --lib --test fast

# Built before the loops begin.
RUNS ?= 3
LOOPS ?= 6

test-busy: tools
	cargo test --locked --no-run
	RUNS=$(RUNS) LOOPS=$(LOOPS) tests/busy cargo test --locked --no-fail-fast $(as_root)

# An optimised program; the clients need no optimisation. Half a minute of it is among the tests.
MINUTES ?= 5

# A CI job with a JWT that is dead before its push ends. The tests have it with a shorter one.
JWT_SECONDS ?= 60

demo-ci: tools
	JWT_SECONDS=$(JWT_SECONDS) cargo test --locked --test system $(as_root) -- workload:: --nocapture

# The tests have it too; here it says what it does.
demo-acme: tools
	cargo test --locked --test services -- acme::demo:: --nocapture --test-threads=1

# The tests have it too; here it says what it does.
demo-replicas: tools
	cargo test --locked --test services -- replicas::demo:: --nocapture --test-threads=1

test-acme: needs-acme
	cargo test --locked --test services acme:: -- --include-ignored --nocapture

# With PORTWARDEN_WRITE=1 it writes config/kubernetes/replicas.yaml anew.
test-helm: needs-helm
	cargo test --locked --test services chart:: -- --include-ignored

# Keycloak takes a minute to start, so it is no part of `make test`.
test-issuers: needs-issuers
	cargo test --locked --test services issuers:: -- --include-ignored --nocapture

# Some seven minutes, and as long once to build registry 3, oras and buildx, which no release of Debian has. Two tests
# are about faults of 2.8, or about its way of naming keys.
test-registry3: needs-registry3
	PORTWARDEN_TEST_REGISTRY=$(abspath $(built))/registry-3/current/registry \
		cargo test --locked --no-fail-fast --test services --test system $(as_root) -- --include-ignored \
		$(with_registry_3) $(of_registry_2:%=--skip %)

with_registry_3 := attack_tags:: audit:: catalog:: challenge:: clients:: closure_model:: cors:: docker:: faults_registry:: forwarding:: \
	freeze:: limits:: notifications:: notified_clients:: object_store:: one_tag:: pages:: prune:: published:: registry3:: response_rewriting:: \
	revocation:: storage_answers:: tag_rules:: untag_command:: upload_grace:: write_once::

of_registry_2 := docker::registry_with_token_auth freeze::what_no_tag_leads_to one_tag::rule_53_one_tag_goes one_tag::rule_53_what_breaks \
	one_tag::rule_53_a_registry_that_dies one_tag::rule_53_a_push_during

soak: tools
	cargo build --release --locked
	SOAK_MINUTES=$(MINUTES) PORTWARDEN_BIN=$(built)/release/portwarden \
		cargo test --locked --test system soak:: -- --ignored --nocapture

# Asks for each digest of a registry, and computes from its files which are reached. The tests have it with fewer steps.
STEPS ?= 200

prove-closure: tools
	STEPS=$(STEPS) cargo test --locked --test services -- closure_model:: tag_rules:: --nocapture

# Answers of the registry's files against those without them, by registry 2.8 and 3 at once, for so long. SEED= for others.
prove-reads: needs-registry3
	PROVE_MINUTES=$(MINUTES) cargo test --locked --test services -- prove_reads:: --include-ignored --nocapture

# By the same rules no recorded decision differs; of random changes each difference that an oracle finds is listed.
prove-replay:
	cargo test --locked --test fast -- prove_replay:: --nocapture

attack: tools
	cargo test --locked --no-fail-fast $(as_root) --test '*' -- attack_tools:: smuggling:: injection:: \
		--include-ignored --test-threads=1 --nocapture

# Pushes to one tag at the same time; the tests have fewer.
PUSHES ?= 1000

attack-tags: tools
	RACING_PUSHES=$(PUSHES) cargo test --locked --test services -- attack_tags:: replicas::rule_64_of_racing --nocapture

SECONDS ?= 60

# Installs a nightly compiler and cargo-fuzz where they are missing.
fuzz:
	@fuzz/run $(SECONDS) $(TARGETS)

tools: needs-test

needs-%:
	@.ci/install $*

# The program that is shipped and measured is built with profile-guided optimization.
bench deb: export RUSTFLAGS := $(RUSTFLAGS) -Cprofile-use=$(CURDIR)/benches/portwarden.profdata

profile:
	@.ci/install bench
	@.ci/profile

# ONLY="pull-h1 small" measures what begins with these names. The figures stand in target/bench/compare.json as well.
bench:
	@.ci/install bench
	cargo bench --locked --profile dist --bench compare -- $(ONLY)

# HARNESS=test: the program that `make run` builds, and a harness that takes no quarter of an hour to compile.
HARNESS ?= bench

bench-quick:
	@.ci/install bench
ifeq ($(HARNESS),test)
	cargo build --profile try --locked
	PORTWARDEN_BIN=$(built)/try/portwarden \
		cargo test --locked --bench compare -- --quick $(ONLY)
else
	cargo bench --locked --bench compare -- --quick $(ONLY)
endif

micro := attack pages policy robots routing tag_rules token workload

bench-micro:
	cargo bench --locked $(micro:%=--bench %)

fmt:
	cargo fmt

lint: lint-code deny

lint-code:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

# deny.toml: licences, sources, and crates that must not come in.
deny: $(cargo_deny)
	$(cargo_deny) --locked check --hide-inclusion-graph bans licenses sources

# Fetches the RustSec database, so it is no part of `make lint`: an old commit passes today as it did then.
advisories: $(cargo_deny)
	$(cargo_deny) --locked check advisories

man:
	PORTWARDEN_WRITE=1 cargo test --locked --test fast manual::
	PORTWARDEN_WRITE=1 cargo test --locked --lib config::settings -- --test-threads=1

# For the README; the tests only see that they are there.
pictures: tools
	PORTWARDEN_WRITE=1 cargo test --locked --test services browser::pictures::

# A walk with docker, for the README. The tests hold it to what the commands print today.
recording: tools
	PORTWARDEN_WRITE=1 cargo test --locked --test system $(as_root) recording::

# Of the same files that are read in the repository. It needs no server, and fetches nothing from elsewhere.
site: $(mdbook)
	@.ci/site $(mdbook)
	cargo test --locked --test fast site:: -- --include-ignored

# With debug symbols in a package of their own.
deb: needs-deb $(cargo_deb)
	$(cargo_deb) --locked --profile dist --dbgsym

# Installs, starts, upgrades and purges it in a system of its own, with systemd.
package-test: deb
	@.ci/install package
	$(if $(filter-out 0,$(shell id -u)),sudo -E) tests/package/run

# The software bill of materials: what goes into the program, and into building it.
SBOM ?= $(built)/portwarden.cdx.json

sbom: $(cargo_cyclonedx)
	$(cargo_cyclonedx) cyclonedx --all --format json --spec-version 1.5 --override-filename portwarden.cdx
	@sed 's|file://$(CURDIR)|file:///usr/src/portwarden|g' portwarden.cdx.json >$(SBOM)
	@rm portwarden.cdx.json

release: needs-release
	@.ci/release
