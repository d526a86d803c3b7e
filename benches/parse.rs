//! The parser beside its rivals: VRL's `parse_klog` (feature `vrl`) and a bare newline scan.
//!
//! `cargo bench -p benches --bench parse --features vrl`

use std::alloc::System;
use std::fmt::{self, Write};
use std::hint::black_box;

use benches::{Contender, compete, machine, recorded_lines, table};
use podwhy_parser::{Kind, Origin, parse_from};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 7;
/// One failure in 200 lines, as on a node with a few broken pods.
const FAILURES_PER_MIX: usize = 200;
const LINES: usize = 100_000;
/// VRL is about a hundred times slower: it gets a sample of the same lines.
#[cfg(feature = "vrl")]
const SAMPLE: usize = 2_000;

/// Swallows what is written, so that unescaping is paid for and nothing is stored.
struct Sink(usize);

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += black_box(text).len();
        Ok(())
    }
}

/// What the agent does with a line: look, and on a failure take everything that it says.
fn understand(line: &str, sink: &mut Sink) {
    let Some(message) = parse_from(Origin::Kubelet, black_box(line)) else { return };
    if message.kind() != Kind::SyncFailure {
        black_box(&message);
        return;
    }
    black_box(message.facts());
    for failure in message.failures() {
        // Writing into the sink cannot fail.
        let _ = write!(sink, "{}", failure.message);
        black_box(failure);
    }
}

fn main() {
    // Only under `cargo bench`: `cargo test --benches` must not spend minutes here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let (failures, others) = recorded_lines();
    let mix: Vec<&str> = (0..LINES)
        .map(|at| match at % FAILURES_PER_MIX {
            0 => pick(&failures, at / FAILURES_PER_MIX),
            _ => pick(&others, at),
        })
        .collect();
    let only: Vec<&str> = (0..LINES).map(|at| pick(&failures, at)).collect();
    say(&format!("{}\n", machine()));
    for (title, lines) in [("realistic mix, 0.5 % failures", &mix), ("failures only", &only)] {
        say(&report(title, lines));
        say(&allocations(lines));
    }
}

fn pick(lines: &[String], at: usize) -> &str {
    lines.get(at % lines.len().max(1)).map_or("", String::as_str)
}

fn report(title: &str, lines: &[&str]) -> String {
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    let text = lines.join("\n");
    let mut contenders = vec![
        Contender {
            name: "memchr newline scan",
            lines: lines.len(),
            run: Box::new(|| {
                black_box(memchr::memchr_iter(b'\n', black_box(text.as_bytes())).count());
            }),
        },
        Contender {
            name: "podwhy",
            lines: lines.len(),
            run: Box::new(|| {
                let mut sink = Sink(0);
                for line in lines {
                    understand(line, &mut sink);
                }
                black_box(sink.0);
            }),
        },
    ];
    let rivals = rivals(lines);
    contenders.extend(rivals);
    let rows = compete(ROUNDS, &mut contenders);
    let mut out = table(title, &rows, "podwhy");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\n{} bytes per line on average", bytes / lines.len().max(1));
    out
}

fn allocations(lines: &[&str]) -> String {
    let region = Region::new(ALLOCATOR);
    let mut sink = Sink(0);
    for line in lines {
        understand(line, &mut sink);
    }
    let change = region.change();
    format!("{} allocations in {} lines\n\n", change.allocations, lines.len())
}

#[expect(clippy::print_stdout, reason = "a benchmark's table is its output")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(not(feature = "vrl"))]
fn rivals<'a>(_lines: &'a [&'a str]) -> Vec<Contender<'a>> {
    Vec::new()
}

#[cfg(feature = "vrl")]
fn rivals<'a>(lines: &'a [&'a str]) -> Vec<Contender<'a>> {
    let sample = lines.get(..SAMPLE.min(lines.len())).unwrap_or_default();
    [
        ("VRL parse_klog (header only)", "parse_klog(.message) ?? {}"),
        ("VRL parse_klog + regex + parse_key_value", CHAIN),
    ]
    .into_iter()
    .map(|(name, source)| Contender { name, lines: sample.len(), run: vrl_program(source, sample) })
    .collect()
}

/// About what `facts()` and `failures()` give: header, message, pairs, step, target and reason.
#[cfg(feature = "vrl")]
const CHAIN: &str = r#"
parsed = parse_klog(.message) ?? {}
text = string(parsed.message) ?? ""
pairs = parse_key_value(text) ?? {}
step = parse_regex(text, r'failed to \\"(?P<step>[^\\]+)\\" for \\"(?P<target>[^\\]+)\\" with (?P<reason>[^:]+): \\"(?P<message>.*)\\""') ?? {}
[parsed, pairs, step]
"#;

#[cfg(feature = "vrl")]
fn vrl_program<'a>(source: &str, lines: &'a [&'a str]) -> Box<dyn FnMut() + 'a> {
    use vrl::compiler::{Context, TargetValue, TimeZone, state::RuntimeState};
    use vrl::value::{ObjectMap, Secrets, Value};

    let compiled = vrl::compiler::compile(source, &vrl::stdlib::all());
    let program =
        compiled.unwrap_or_else(|errors| panic!("VRL does not compile: {errors:?}")).program;
    let timezone = TimeZone::default();
    Box::new(move || {
        for line in lines {
            let mut object = ObjectMap::new();
            object.insert("message".into(), Value::from(*line));
            let mut target = TargetValue {
                value: Value::Object(object),
                metadata: Value::Object(ObjectMap::new()),
                secrets: Secrets::default(),
            };
            let mut state = RuntimeState::default();
            let mut context = Context::new(&mut target, &mut state, &timezone);
            black_box(program.resolve(&mut context).ok());
        }
    })
}
