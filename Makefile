# Everything one needs to run and to work on Zhongtai. `make` lists it.
.DEFAULT_GOAL := help
PY := .venv/bin/python
RUN := $(PY) -m zhongtai
.PHONY: help up start stop reset doctor journey verify test lint faults bench lock production dev

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

up: production ## start everything here and show what happens; Ctrl-C ends it
	@$(RUN) up

start: production ## the same in the background: returns when it is ready
	@$(RUN) start

stop: production ## end what `make start` started
	@$(RUN) stop

reset: production ## forget the data, keys and logs of this folder
	@$(RUN) reset

doctor: production ## look for what is missing on this machine, with the mend beside it
	@$(RUN) doctor

verify: production ## check every invariant in the database
	@$(RUN) verify

journey: dev ## load a real grocer's year and drive its baskets through the API (needs `make start`)
	@$(RUN) journey $(ARGS)

test: dev ## all tests (ARGS="-k coupon" narrows)
	@$(RUN) prepare-temporal && $(RUN) prepare-stripe-mock && $(PY) -m pytest -n 2 --dist loadfile $(ARGS)

lint: dev ## formats, types, import contracts, migrations
	@sh zhongtai/lint.sh

faults: dev ## the long fault experiments, with their seed printed
	@$(RUN) prepare-temporal && ZHONGTAI_FAULTS=long $(PY) -m pytest -m faults -p no:xdist tests/faults tests/model $(ARGS)

bench: dev ## measure beside peers; writes bench/README.md's tables
	@$(PY) -m bench.rules.compare --write && $(PY) -m bench.ledger --write && $(PY) -m bench.limits --write && $(RUN) prepare-temporal && $(PY) -m bench.checkout --write $(ARGS)

lock: dev ## pin requirements/*.in anew (ARGS=--upgrade takes the newest)
	@sh zhongtai/lock.sh $(ARGS)

production: # the virtual environment with what the product runs on
	@PYTHON="$(PYTHON)" sh zhongtai/bootstrap.sh production

dev: # the same with what tests and checks need
	@PYTHON="$(PYTHON)" sh zhongtai/bootstrap.sh dev
