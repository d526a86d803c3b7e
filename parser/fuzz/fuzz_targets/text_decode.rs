//! Any text under every quoting: decoding ends, stays in bounds and agrees with itself.
#![no_main]

use podwhy_parser::Text;
use podwhy_parser::text::Base;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let raw = String::from_utf8_lossy(bytes);
    for base in [Base::Plain, Base::Block, Base::Json] {
        for depth in 0..=4 {
            let text = Text::new(&raw, base, depth);
            let decoded = text.to_string();
            assert!(decoded.len() <= 3 * raw.len(), "{text:?} grows");
            assert_eq!(decoded, text.chars().collect::<String>(), "{text:?}");
            assert!(text.eq_str(&decoded) && text.eq_text(text), "{text:?}");
            assert!(text.starts_with_str(&decoded), "{text:?}");
            if let Some(plain) = text.as_plain() {
                assert_eq!(plain, decoded, "{text:?}");
            }
        }
    }
});
