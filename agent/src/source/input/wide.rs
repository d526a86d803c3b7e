//! Text of two bytes a character, as PowerShell writes what a command printed: read as UTF-8.

use std::io::{self, Read};

/// What such a file begins with, and its order of bytes.
pub(super) fn order_of(head: &[u8]) -> Option<Order> {
    match head {
        [0xff, 0xfe, ..] => Some(Order::Little),
        [0xfe, 0xff, ..] => Some(Order::Big),
        _ => None,
    }
}

/// Which byte comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// Hands out UTF-8.
pub(super) struct Wide<R> {
    inner: R,
    order: Order,
    /// An odd byte, and the first half of a pair.
    odd: Option<u8>,
    half: Option<u16>,
    ready: Vec<u8>,
    given: usize,
}

impl<R: Read> Wide<R> {
    pub(super) const fn new(inner: R, order: Order) -> Self {
        Self { inner, order, odd: None, half: None, ready: Vec::new(), given: 0 }
    }

    fn unit(&mut self, unit: u16) {
        let half = self.half.take();
        if half.is_none() && (0xd800..0xdc00).contains(&unit) {
            self.half = Some(unit);
            return;
        }
        let mut bytes = [0; 4];
        for character in char::decode_utf16(half.into_iter().chain([unit])) {
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            if character != '\u{feff}' {
                self.ready.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
            }
        }
    }
}

impl<R: Read> Read for Wide<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut piece = [0; 8 * 1024];
        while self.given >= self.ready.len() {
            (self.given, self.ready) = (0, std::mem::take(&mut self.ready));
            self.ready.clear();
            let read = self.inner.read(&mut piece)?;
            if read == 0 {
                return Ok(0);
            }
            for byte in piece.iter().take(read).copied() {
                match (self.odd.take(), self.order) {
                    (None, _) => self.odd = Some(byte),
                    (Some(first), Order::Little) => self.unit(u16::from_le_bytes([first, byte])),
                    (Some(first), Order::Big) => self.unit(u16::from_be_bytes([first, byte])),
                }
            }
        }
        let ready = self.ready.get(self.given..).unwrap_or_default();
        let length = ready.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(ready) {
            *to = *from;
        }
        self.given += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_powershell_wrote_is_the_same_text() {
        let text = "Name: web-0 – 🛠\r\nnext\n";
        for order in [Order::Little, Order::Big] {
            let bytes: Vec<u8> = std::iter::once(0xfeff)
                .chain(text.encode_utf16())
                .flat_map(|unit| match order {
                    Order::Little => unit.to_le_bytes(),
                    Order::Big => unit.to_be_bytes(),
                })
                .collect();
            assert_eq!(order_of(&bytes), Some(order));
            let mut read = String::new();
            Wide::new(bytes.as_slice(), order).read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
        assert_eq!(order_of(text.as_bytes()), None);
    }
}
