//! How unlikely a count is: the upper tail of the Poisson distribution as a score. Pure arithmetic.

/// `-log10 P(X >= count)` for a Poisson variable with this mean: 4 is one in ten thousand.
///
/// The tail is summed upwards from its first term, relative to it, so that neither a tiny nor a huge
/// count runs out of a double's range.
pub(super) fn score(count: u64, mean: f64) -> f64 {
    let n = float(count);
    if mean <= 0.0 || !mean.is_finite() || n <= mean {
        return 0.0;
    }
    let first = n * mean.ln() - mean - ln_factorial(count);
    let (mut sum, mut term, mut next) = (1.0, 1.0, n + 1.0);
    // Terms fall at least by mean / next, which is below 1.
    while term > sum * 1e-12 {
        term *= mean / next;
        sum += term;
        next += 1.0;
    }
    (-(first + sum.ln()) / std::f64::consts::LN_10).max(0.0)
}

/// Stirling's series, exact to nine digits from ten on; below, the product itself.
fn ln_factorial(count: u64) -> f64 {
    if count < 10 {
        return (2..=count).map(|factor| float(factor).ln()).sum();
    }
    let n = float(count);
    n * n.ln() - n + (std::f64::consts::TAU * n).ln() / 2.0 + 1.0 / (12.0 * n)
        - 1.0 / (360.0 * n * n * n)
}

#[expect(clippy::cast_precision_loss, reason = "counts of some minutes are far below 2^52")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::score;

    #[test]
    fn the_tail_is_that_of_tables() {
        // Computed with 50 digits.
        let cases = [
            (2, 0.01, 4.303_924),
            (3, 0.086, 4.002_607),
            (4, 0.2, 4.245_344),
            (10, 1.0, 6.953_015),
            (40, 10.0, 12.134_207),
            (1, 0.01, 2.002_170),
        ];
        for (count, mean, expected) in cases {
            let told = score(count, mean);
            assert!((told - expected).abs() < 1e-3, "P(X >= {count} | {mean}): {told}");
        }
    }

    #[test]
    fn what_is_usual_scores_nothing_and_no_count_is_too_large() {
        assert_eq!(score(0, 1.0).to_bits(), 0.0_f64.to_bits());
        assert_eq!(score(5, 5.0).to_bits(), 0.0_f64.to_bits());
        assert_eq!(score(9, 0.0).to_bits(), 0.0_f64.to_bits());
        let huge = score(10_000_000, 1.0);
        assert!(huge.is_finite() && huge > 1e6, "{huge}");
        assert!(score(1_000_001, 1_000_000.0) < 1.0);
    }
}
