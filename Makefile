# What a person types. Node.js itself comes with the npm packages; the machine needs only npm and make.

.DEFAULT_GOAL := help
.PHONY: help run test check proof bench demo dev format install clean

npm_flags := --ignore-scripts --no-audit --no-fund --loglevel=error
# npm writes this file last, so it is there and new only after a whole installation.
installed := node_modules/.package-lock.json

help: ## Show this list
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1 \2/p' Makefile | awk '{ t = $$1; $$1 = ""; printf "  %-10s%s\n", t, $$0 }'

run: $(installed) ## Start the server (installs what is missing); Ctrl-C ends it
	@bin/busbar serve

test: $(installed) ## Run every test this machine can run
	@npm test --silent

check: $(installed) ## Check format, lint, types, direction of imports, dead code
	@npm run check --silent

proof: $(installed) ## Prove the store at length: random histories, kills, every zone (hours; see CONTRIBUTING.md)
	@npm run proof --silent

bench: $(installed) ## Measure rates and sizes, beside the floors of the same run
	@npm run bench --silent

demo: $(installed) ## Start a server with a simulated site and 30 days of history
	@bin/busbar demo

dev: $(installed) ## Start the server anew on each change of the sources
	@npm run dev --silent

format: $(installed) ## Format the sources and mend what can be mended
	@npm run format --silent

install: $(installed) ## Install the npm packages, if they are not there yet

clean: ## Remove installed packages and caches (never data)
	rm -rf node_modules coverage .vitest

$(installed): package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: apt-get install -y npm" >&2; exit 1; }
	@echo "Installing the npm packages ..."
	@npm ci $(npm_flags)
	@touch $@
