//! Lines of a page: labels in a column, text beside it, folded at the terminal's width. Colour says
//! nothing that a word does not say too.

use super::Look;

/// Columns of the labels.
const INDENT: usize = 11;

/// A page that is being written.
#[derive(Debug)]
pub(super) struct Page {
    out: String,
    look: Look,
    label: String,
}

impl Page {
    pub(super) const fn new(look: Look) -> Self {
        Self { out: String::new(), look, label: String::new() }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    fn shaded(&self, shade: &str, text: &str) -> String {
        if self.look.colour { format!("\u{1b}[{shade}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// `OPEN  shop/web-0  The image … (certain)`
    pub(super) fn headline(
        &mut self,
        (state, shade): (&str, &str),
        scope: &str,
        title: &str,
        confidence: &str,
    ) {
        self.label.clear();
        let head = format!("{state} {scope}");
        let line = format!("{} {}", self.shaded(shade, state), self.shaded("1", scope));
        self.out.push_str(&line);
        let text = match confidence {
            "" => title.to_owned(),
            confidence => format!("{title} ({confidence})"),
        };
        let is_long = self
            .look
            .width
            .is_some_and(|width| head.chars().count() + 2 + text.chars().count() > width);
        if is_long {
            self.out.push('\n');
            self.folded(&text, "1");
        } else {
            let text = self.shaded("1", &text);
            self.out.push_str("  ");
            self.out.push_str(&text);
            self.out.push('\n');
        }
    }

    /// A label and what stands beside it; equal labels are written once.
    pub(super) fn field(&mut self, label: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let is_new = self.label != label;
        let shown = if is_new { label } else { "" };
        let padded = format!("  {shown:<width$}", width = INDENT - 2);
        let padded = self.shaded("2", &padded);
        self.label.clear();
        self.label.push_str(label);
        self.out.push_str(&padded);
        for (at, piece) in self.fold(text).into_iter().enumerate() {
            if at > 0 {
                self.out.push_str(&" ".repeat(INDENT));
            }
            self.out.push_str(&piece);
            self.out.push('\n');
        }
    }

    /// A further line of the field before.
    pub(super) fn more(&mut self, text: &str) {
        self.folded(text, "");
    }

    /// A command, whole: it is there to be copied.
    pub(super) fn command(&mut self, text: &str) {
        self.out.push_str(&" ".repeat(INDENT));
        let text = self.shaded("36", text);
        self.out.push_str(&text);
        self.out.push('\n');
    }

    /// A line of its own.
    pub(super) fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    pub(super) fn blank(&mut self) {
        self.out.push('\n');
    }

    fn folded(&mut self, text: &str, shade: &str) {
        for piece in self.fold(text) {
            self.out.push_str(&" ".repeat(INDENT));
            let piece = if shade.is_empty() { piece } else { self.shaded(shade, &piece) };
            self.out.push_str(&piece);
            self.out.push('\n');
        }
    }

    /// At blanks, where there are some.
    fn fold(&self, text: &str) -> Vec<String> {
        let Some(width) = self.look.width else { return vec![text.to_owned()] };
        let width = width.saturating_sub(INDENT).max(24);
        let (mut lines, mut line, mut columns) = (Vec::new(), String::new(), 0);
        for word in text.split(' ') {
            let length = word.chars().count();
            if columns > 0 && columns + 1 + length > width {
                lines.push(std::mem::take(&mut line));
                columns = 0;
            }
            if columns > 0 {
                line.push(' ');
                columns += 1;
            }
            line.push_str(word);
            columns += length;
        }
        lines.push(line);
        lines
    }
}
