# skiff: `sudo make run` shows it at work, `sudo make test` runs every test.
export PATH := $(PATH):/usr/local/go/bin:/usr/lib/go/bin
GO ?= go
TAGS := seccomp,containers_image_openpgp,exclude_graphdriver_btrfs,netgo,osusergo,runc_nocriu,urfave_cli_no_docs
export GOFLAGS := -trimpath -buildvcs=false -tags=$(TAGS)
VERSION := $(shell sh tests/version.sh)
BIN := runtime/program/bin
SMALL = CGO_ENABLED=0 $(GO) build -ldflags '-s -w'
STATIC := -s -w -X skiff/cmd.Version=$(VERSION) -linkmode external -extldflags -static
PREFIX ?= /usr/local
# skiff's C code is linked with musl, see docs/decisions/0003-static-linking.md:
# the kernel's headers and seccomp.h are the distribution's, and libseccomp is
# only named, since runtime/libseccomp takes its place.
MUSL = CC=musl-gcc CGO_LDFLAGS='-L$(CURDIR)/bin' \
	CGO_CFLAGS="-O2 -g -idirafter /usr/include -idirafter /usr/include/$$(gcc -print-multiarch)"

.PHONY: build prerequisites programs test test-root peers builds lint deps bench docs run clean install

build: programs ## bin/skiff: one static file with the other programs in it
	@rm -f bin/libseccomp.a && ar rcs bin/libseccomp.a
	CGO_ENABLED=1 $(MUSL) $(GO) build -ldflags '$(STATIC)' -o bin/skiff .

programs: prerequisites
	@mkdir -p $(BIN) bin
	$(SMALL) -o $(BIN)/monitor ./runtime/monitor/main
	$(SMALL) -o $(BIN)/imagetool ./rootfs/imagetool
	$(SMALL) -o $(BIN)/init ./runtime/init
	@cd $(BIN) && for f in monitor imagetool init; do sha256sum <$$f | cut -c1-64 >$$f.sha256; done
	$(SMALL) -o bin/welcome ./rootfs/welcome/server
	$(GO) run ./rootfs/welcome/mkimage -o rootfs/welcome/image/image.tar bin/welcome

prerequisites: ## installs from the distribution what is missing, see the script
	@tests/prerequisites.sh build

test: build ## everything; as root, in under 15 minutes on two cores
	@tests/prerequisites.sh test
	tests/tiers.sh unit root systemd rootless

test-root: build
	@tests/prerequisites.sh test
	tests/tiers.sh root

peers: build ## the same command lines through Debian's docker.io: some five minutes
	@tests/prerequisites.sh peers
	tests/tiers.sh peers

builds: build ## Dockerfiles through buildah, Docker's BuildKit and skiff: some fifteen minutes
	@tests/prerequisites.sh builds
	tests/tiers.sh builds

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)" || { echo 'gofmt these files'; exit 1; }
	$(GO) vet ./...
	$(GO) test ./tests/deps

deps: ## what each program links
	@$(GO) test -count=1 -v -run Ledger ./tests/deps | grep -v '^[=-]'

bench: build ## paired runs against podman, runc, buildah and docker.io
	@tests/prerequisites.sh builds
	$(GO) run ./tests/bench -skiff bin/skiff

docs: ## the documents agree with the code
	$(GO) test ./tests/docs

run: build
	tests/demo.sh bin/skiff

install: build
	install -D -m 755 bin/skiff $(DESTDIR)$(PREFIX)/bin/skiff
	@for kind in system user; do \
		dir=$(DESTDIR)$(PREFIX)/lib/systemd/$$kind; mkdir -p $$dir && \
		sed 's,/usr/local/,$(PREFIX)/,' docs/systemd/$$kind/skiff-boot.service >$$dir/skiff-boot.service; done
	@mkdir -p bin/completion
	bin/skiff completion bash >bin/completion/skiff
	bin/skiff completion zsh >bin/completion/_skiff
	bin/skiff completion fish >bin/completion/skiff.fish
	install -D -m 644 bin/completion/skiff $(DESTDIR)$(PREFIX)/share/bash-completion/completions/skiff
	install -D -m 644 bin/completion/_skiff $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_skiff
	install -D -m 644 bin/completion/skiff.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/skiff.fish

clean:
	rm -rf bin $(BIN)/monitor* $(BIN)/imagetool* $(BIN)/init* rootfs/welcome/image/image.tar tests/images/out
