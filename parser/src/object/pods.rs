//! Lists of pods in their four structured renderings and the printf one (G22).
//!
//! Owns where one pod ends and the next begins.

use super::{field, pod_format, pod_value};
use crate::cursor::Cursor;
use crate::{PodRef, Text, quoted};

/// The pods of a list, in order.
///
/// ```text
/// list := "[" pod* "]" | pod (", " pod)*
/// pod  := ns "/" name | Q | "{" "name": Q, "namespace": Q "}" | name "_" ns "(" uid ")"
/// ```
#[derive(Clone, Debug)]
pub struct Pods<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Pods<'a> {
    pub(crate) fn of(list: Text<'a>) -> Self {
        let mut cursor = Cursor::of(list);
        let _ = cursor.eat("[");
        Self { cursor }
    }
}

impl<'a> Iterator for Pods<'a> {
    type Item = PodRef<'a>;

    fn next(&mut self) -> Option<PodRef<'a>> {
        self.cursor.run(|character| matches!(character, ' ' | ','));
        let here = self.cursor.rest();
        if here.raw().starts_with('{') {
            let object = self.cursor.until("}")?;
            return Some(PodRef {
                namespace: field(object, "namespace"),
                name: field(object, "name"),
                uid: field(object, "uid"),
            });
        }
        let pod = match quoted::open(here.raw(), here.level()) {
            Some(_) => self.cursor.quoted()?,
            None => self.cursor.run(|character| !matches!(character, ' ' | ',' | ']')),
        };
        if pod.is_empty() {
            self.cursor = Cursor::of(here.with_raw(""));
            return None;
        }
        Some(pod_format(pod).unwrap_or_else(|| pod_value(pod)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g22_each_rendering_gives_the_same_pods() {
        for list in [
            "[shop/web-0 billing/ledger-0]",
            r#"["shop/web-0","billing/ledger-0"]"#,
            r#"[{"name":"web-0","namespace":"shop"},{"name":"ledger-0","namespace":"billing"}]"#,
            "web-0_shop(7c1e), ledger-0_billing(e90b)",
        ] {
            let pods: Vec<_> = Pods::of(Text::plain(list))
                .map(|pod| format!("{}/{}", pod.namespace.unwrap(), pod.name.unwrap()))
                .collect();
            assert_eq!(pods, ["shop/web-0", "billing/ledger-0"], "{list}");
        }
        assert_eq!(Pods::of(Text::plain("[]")).count(), 0);
    }
}
