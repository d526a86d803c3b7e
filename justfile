# One command per task. `just` alone lists them.

[private]
default:
    @just --list --unsorted

# Follow this machine's journal and print what fails (state in a temporary folder).
run *ARGUMENTS:
    cargo run --release -- agent --set state.folder="$(mktemp -d)" {{ARGUMENTS}}

# A recorded node, broken on purpose, through the whole pipeline.
demo:
    cargo run --release -- demo

# What the parser sees in a file, a paste (-) or a journal export.
parse FILE:
    cargo run --release -- parse {{FILE}}

# What the agent could read on this machine.
check:
    cargo run --release -- check

# Everything that must hold. Installs what it needs.
test:
    tests/run

# Only the house rules: seconds.
tidy:
    cargo test -p podwhy --test tidy

# Simulated nodes through the spike detector: precision, recall, time to fire.
spikes:
    cargo test -p podwhy --lib -- --nocapture spike::tests

# Write expectations anew; read the diff before you commit it.
bless:
    UPDATE_EXPECT=1 INSTA_UPDATE=always cargo test

# Look for input that breaks a parser target (needs nightly and cargo-fuzz).
fuzz TARGET SECONDS="600":
    cd parser && fuzz/seed && cargo +nightly fuzz run {{TARGET}} -- -max_total_time={{SECONDS}} -timeout=10 -max_len=4096

# Have real klog write the lines of tests/klog anew (needs Go).
klog:
    tests/klog/generate

# All benches, as ratios of one run.
bench *ARGUMENTS:
    cargo bench -p benches {{ARGUMENTS}}

# Format everything.
fmt:
    cargo fmt --all

# What a review would say first: formatting, lints, documentation. Warnings are errors.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

# Dependencies: banned crates, licences, sources.
deny:
    cargo deny --offline check bans licenses sources

# What deploys podwhy: chart, manifests, values of the distributions (needs Go).
deploy-check:
    deploy/check

# Write deploy/manifests anew from the chart.
generate:
    tests/chart/build
    PATH="$PWD/target/tools/bin:$PATH" deploy/render

# An image as an OCI archive, from a binary, without Docker.
image ARCHIVE BINARY:
    deploy/image/build {{ARCHIVE}} {{BINARY}}

# The page in a headless Chromium; pictures in target/browser.
browser:
    tests/run --browser

# podwhy on a real node, installed with Helm, as root.
cluster:
    tests/run --cluster

# Exactly what CI runs.
ci:
    .ci/run
