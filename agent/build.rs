//! Takes the examples out of our causes: tests and authors read them in `causes/`, and a program that
//! starts has better use for the time and the memory. Reads lines, not YAML: the files' form is fixed,
//! and a test compares what is left with the whole files.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=causes");
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets no OUT_DIR"))?;
    for entry in fs::read_dir("causes")? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| path.extension() == Some("yaml".as_ref()))
        else {
            continue;
        };
        let text = fs::read_to_string(&path)?;
        fs::write(Path::new(&out).join(name), without_examples(&text))?;
    }
    Ok(())
}

/// All but the fields `examples` and `counter_examples` of each cause.
fn without_examples(text: &str) -> String {
    let mut kept = String::new();
    let mut is_example = false;
    for line in text.split_inclusive('\n') {
        let is_inside =
            line.trim().is_empty() || line.starts_with("     ") || line.starts_with("    - ");
        if !is_inside {
            is_example = matches!(line.trim_end(), "    examples:" | "    counter_examples:");
        }
        if !is_example {
            kept.push_str(line);
        }
    }
    kept
}
