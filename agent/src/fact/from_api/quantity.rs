//! Kubernetes quantities: `128Mi`, `1500m`, `2e9` (apimachinery `resource.Quantity`).

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Whole units of a resource, such as bytes.
pub(super) fn bytes(all: &BTreeMap<String, Quantity>, resource: &str) -> Option<u64> {
    read(&all.get(resource)?.0)
}

/// Thousandths of a resource, such as millicores.
pub(super) fn millis(all: &BTreeMap<String, Quantity>, resource: &str) -> Option<u64> {
    whole(value(&all.get(resource)?.0)? * 1000.0)
}

/// Whole units, rounded up as the API does.
pub(super) fn read(text: &str) -> Option<u64> {
    whole(value(text)?)
}

/// quantity := number (suffix | exponent)?
fn value(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_number = |character: char| character.is_ascii_digit() || character == '.';
    let end = text.find(|character| !is_number(character)).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let number: f64 = number.parse().ok()?;
    let scale = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        "Ei" => 1_152_921_504_606_846_976.0,
        _ => 10_f64.powi(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(number * scale).filter(|value| value.is_finite())
}

fn whole(value: f64) -> Option<u64> {
    // Up to here a double counts every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value = value.ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    (0.0..=EXACT).contains(&value).then_some(value as u64)
}
