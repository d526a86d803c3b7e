//! Collects the attributes of one record within the bounds of otlp.md 2.6: unique keys, no empty
//! values, cut at whole characters, a sum that every backend takes.

use std::borrow::Cow;

use super::Value;
use crate::limits;

/// A list under construction.
#[derive(Debug, Default)]
pub struct Attributes {
    list: Vec<(Cow<'static, str>, Value)>,
    bytes: usize,
    /// A value was cut or left out.
    pub cut: bool,
}

impl Attributes {
    /// A text; empty is absent.
    pub fn text(&mut self, name: impl Into<Cow<'static, str>>, text: Option<&str>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        let (kept, is_cut) = limits::cut(text, limits::VALUE_BYTES);
        self.cut |= is_cut;
        self.push(name.into(), Value::Text(kept.to_owned()));
    }

    /// An integer. What does not fit is absent.
    pub fn int<T: TryInto<i64>>(&mut self, name: impl Into<Cow<'static, str>>, int: Option<T>) {
        if let Some(int) = int.and_then(|int| int.try_into().ok()) {
            self.push(name.into(), Value::Int(int));
        }
    }

    /// A double; what is no number is absent.
    pub fn double(&mut self, name: impl Into<Cow<'static, str>>, double: Option<f64>) {
        if let Some(double) = double.filter(|double| double.is_finite()) {
            self.push(name.into(), Value::Double(double));
        }
    }

    /// A boolean.
    pub fn bool(&mut self, name: impl Into<Cow<'static, str>>, bool: Option<bool>) {
        if let Some(bool) = bool {
            self.push(name.into(), Value::Bool(bool));
        }
    }

    /// The list. The first value of a name stays.
    #[must_use]
    pub fn finish(self) -> Vec<(Cow<'static, str>, Value)> {
        self.list
    }

    fn push(&mut self, name: Cow<'static, str>, value: Value) {
        let bytes = name.len() + size(&value);
        let has_room = self.list.len() < limits::ATTRIBUTES
            && self.bytes.saturating_add(bytes) <= limits::ATTRIBUTES_BYTES;
        if self.list.iter().any(|(known, _)| *known == name) {
            return;
        }
        if !has_room {
            self.cut = true;
            return;
        }
        self.bytes += bytes;
        self.list.push((name, value));
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Texts(texts) => texts.iter().map(String::len).sum(),
        Value::Int(_) | Value::Double(_) | Value::Bool(_) => 8,
    }
}
