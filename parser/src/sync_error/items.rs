//! Splits an error text into its items and reads each clause (§5.2).
//!
//! Owns brackets, separators and the five parts of a clause; §5.4's errors are `clauseless`'s.

use nom::Parser;
use nom::bytes::complete::tag;

use super::{SyncFailure, clauseless};
use crate::cursor::{Cursor, quoted_in};
use crate::{Text, find, quoted};

/// What can stand before the first item (G32), and the step of what then is no clause.
const PREFIXES: [&str; 3] =
    ["error killing pod: ", "error killing terminating pod: ", "failed to SyncPod: "];

/// Reasons of §6.3: where one of these stands first, what follows it is no longer the reason (G34).
const REASONS: [&str; 24] = [
    "CrashLoopBackOff",
    "RunContainerError",
    "CreateContainerConfigError",
    "PreCreateHookError",
    "CreateContainerError",
    "PreStartHookError",
    "PostStartHookError",
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
    "ImageVolumeMountFailed",
    "RROUnsupported",
    "KillContainerError",
    "RemoveContainerError",
    "CreatePodSandboxError",
    "ConfigPodSandboxError",
    "KillPodSandboxError",
    "ResizePodInPlaceError",
    "SetupNetworkError",
    "TeardownNetworkError",
];

/// The items of one error text.
///
/// ```text
/// err  := prefix? ( item | list ) | other
/// list := "[" part (", " part)+ "]"
/// part := prefix? ( item | list ) | other
/// ```
///
/// Go flattens lists in lists, but not those that an error wraps: they are flattened here, with one
/// counter and no stack.
#[derive(Clone, Debug)]
pub(crate) struct Items<'a> {
    cursor: Cursor<'a>,
    /// Errors without a clause are told by the whole text, prefix included.
    whole: Text<'a>,
    is_list: bool,
    /// Lists that were opened and not closed.
    open: usize,
    is_done: bool,
    /// No string behind here ends an item: looked for once, or a line full of broken items would
    /// take quadratic time.
    no_more_ends: bool,
}

impl<'a> Items<'a> {
    pub(crate) fn of(error: Text<'a>) -> Self {
        let whole = error.trim_newlines();
        let mut cursor = Cursor::of(whole);
        while PREFIXES.iter().any(|prefix| cursor.eat(prefix)) {}
        let is_list = cursor.raw().strip_prefix('[').is_some_and(|inside| {
            inside.ends_with(']') || inside.trim_start().starts_with("failed to ")
        });
        if is_list {
            let _ = cursor.eat("[");
        }
        let open = usize::from(is_list);
        Self { cursor, whole, is_list, open, is_done: false, no_more_ends: false }
    }

    /// No list: nothing to count.
    pub(crate) const fn is_one(&self) -> bool {
        !self.is_list
    }

    /// The last item, or the list around all of them, has no end.
    pub(crate) fn any_is_cut(mut self) -> bool {
        let mut is_cut = false;
        for item in self.by_ref() {
            is_cut |= item.truncated;
        }
        is_cut || self.open > 0
    }

    /// A list's next item begins behind `, `; up to 1.15 with a newline before it (G31).
    fn skip_separator(&mut self) {
        let raw = self.cursor.raw();
        let next = raw.trim_start_matches(['\n', '\r', '\t', ' ']);
        let next = next.strip_prefix(',').unwrap_or(next);
        self.cursor = Cursor::of(self.whole.with_raw(next.trim_start_matches([' ', '\n'])));
    }

    /// Goes to the next item of a list, into and out of lists on the way.
    fn go_to_item(&mut self) -> Option<()> {
        loop {
            self.skip_separator();
            let raw = self.cursor.raw();
            if let Some(rest) = raw.strip_prefix(']') {
                self.open = self.open.saturating_sub(1);
                if self.open == 0 {
                    return None;
                }
                self.cursor = Cursor::of(self.whole.with_raw(rest));
            } else if raw.is_empty() {
                return None;
            } else if !self.enters_list() {
                return Some(());
            }
        }
    }

    /// A list of clauses inside of the list, which may have a prefix of its own.
    fn enters_list(&mut self) -> bool {
        let mut ahead = self.cursor;
        while PREFIXES.iter().any(|prefix| ahead.eat(prefix)) {}
        let is_list = ahead.eat("[") && ahead.raw().starts_with("failed to ");
        if is_list {
            self.cursor = ahead;
            self.open += 1;
        }
        is_list
    }

    /// What is no clause, up to the next separator outside of quotes and brackets.
    fn other(&mut self) -> Text<'a> {
        if !self.is_list {
            self.is_done = true;
            return self.whole;
        }
        let text = self.cursor.rest();
        let end = other_length(text);
        let (other, rest) = text.raw().split_at_checked(end).unwrap_or((text.raw(), ""));
        self.cursor = Cursor::of(text.with_raw(rest));
        text.with_raw(other).trim_newlines()
    }

    /// ```text
    /// item := "failed to " Q(step) " for " Q(target) " with " reason ": " Q(message)
    /// ```
    ///
    /// What the line's end cut off is absent, and the item says that it is truncated.
    fn clause(&mut self) -> Option<SyncFailure<'a>> {
        let around = self.cursor.rest();
        let (_, step) = self.cursor.nom((tag("failed to "), quoted_in(around)))?;
        if !step.is_closed {
            return None;
        }
        let mut item = SyncFailure::alone("", None, around.with_raw(""));
        item.step = step.inside;
        let behind_step = self.cursor;
        let Some((_, target)) = self.cursor.nom((tag(" for "), quoted_in(around))) else {
            return cut_short(&mut self.cursor, " for ", item);
        };
        if !target.is_closed {
            item.truncated = true;
            return Some(item);
        }
        item.target = Some(target.inside);
        if self.cursor.nom(tag(" with ").map(|_| ())).is_none() {
            let cut = cut_short(&mut self.cursor, " with ", item);
            if cut.is_none() {
                self.cursor = behind_step;
            }
            return cut;
        }
        Some(self.reason_and_message(item))
    }

    /// The reason can be any text, quotes included: it ends at the `: ` before the quoted string that
    /// ends the item (G33).
    fn reason_and_message(&mut self, item: SyncFailure<'a>) -> SyncFailure<'a> {
        let around = self.cursor.rest();
        let raw = around.raw();
        let mut candidate = None;
        let mut is_end_found = false;
        let mut from = 0;
        while let Some(string) = quoted::next_in(around, from) {
            let is_behind_colon = raw.get(..string.start).is_some_and(|head| head.ends_with(": "));
            if is_behind_colon {
                let ends_item = !string.is_closed || ends_item(raw, string.end, self.open);
                if ends_item {
                    candidate = Some(string);
                    is_end_found = true;
                    break;
                }
                candidate = candidate.or(Some(string));
                if self.no_more_ends {
                    break;
                }
            }
            from = string.end;
        }
        self.no_more_ends |= !is_end_found;
        let Some(string) = candidate else {
            // No message: the line ended in the reason.
            self.cursor = Cursor::of(around.with_raw(""));
            let reason = find::split(raw, ": ").map(|(reason, _)| around.with_raw(reason));
            return SyncFailure { reason, truncated: true, ..item };
        };
        self.cursor = Cursor::of(around.with_raw(raw.get(string.end..).unwrap_or_default()));
        let reason = raw.get(..string.start - 2).unwrap_or_default();
        let mut message = string.inside;
        let reason = match find::split(reason, ": ") {
            Some((word, detail)) if REASONS.contains(&word) => {
                if message.is_empty() {
                    message = around.with_raw(detail);
                }
                word
            }
            _ => reason,
        };
        let reason = Some(around.with_raw(reason));
        SyncFailure { reason, message, truncated: !string.is_closed, ..item }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = SyncFailure<'a>;

    fn next(&mut self) -> Option<SyncFailure<'a>> {
        if self.is_done {
            return None;
        }
        if self.is_list && self.go_to_item().is_none() {
            self.is_done = true;
            return None;
        }
        let before = self.cursor;
        while PREFIXES.iter().any(|prefix| self.cursor.eat(prefix)) {}
        if let Some(item) = self.clause() {
            self.is_done = !self.is_list;
            return Some(item);
        }
        self.cursor = before;
        let other = self.other();
        // A list of one separator after another ends: nothing else would move on.
        if other.is_empty() && self.is_list {
            self.is_done = true;
            return None;
        }
        Some(clauseless::failure(other, self.whole))
    }
}

/// The line ended before or inside `literal`: the item keeps what it has.
fn cut_short<'a>(
    cursor: &mut Cursor<'a>,
    literal: &str,
    item: SyncFailure<'a>,
) -> Option<SyncFailure<'a>> {
    // The opening quote behind the literal may be cut as well.
    let rest = cursor.raw().trim_end_matches(['\\', '"']);
    if !literal.starts_with(rest) {
        return None;
    }
    *cursor = Cursor::of(cursor.rest().with_raw(""));
    Some(SyncFailure { truncated: true, ..item })
}

/// Behind the string stands what can follow an item inside of `open` lists.
fn ends_item(raw: &str, end: usize, open: usize) -> bool {
    let rest = raw.get(end..).unwrap_or_default();
    if open == 0 {
        return rest.trim_end().is_empty();
    }
    let rest = rest.trim_start_matches(['\n', '\r']);
    if rest.is_empty() || rest.starts_with(", ") {
        return true;
    }
    let behind = rest.trim_start_matches(']');
    let closed = rest.len() - behind.len();
    match closed {
        0 => false,
        _ if closed < open => behind.starts_with(", "),
        _ => closed == open && behind.trim_end().is_empty(),
    }
}

/// Up to the `, ` or `]` that ends an item of a list. Volume errors hold `, ` themselves.
fn other_length(text: Text<'_>) -> usize {
    let raw = text.raw();
    let bytes = raw.as_bytes();
    let delimiter = 1_usize << text.level();
    let mut open = 0_usize;
    let mut at = 0;
    let mut run = 0_usize;
    let mut quotes_close = true;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' if open == 0 => return at,
            b']' | b'}' => open -= 1,
            b'"' if quotes_close && run + 1 == delimiter => {
                match raw.get(at + 1..).and_then(|content| quoted::close(content, text.level())) {
                    Some((_, behind)) => at += behind,
                    None => quotes_close = false,
                }
            }
            b',' if open == 0 && separates(raw, at) => return at,
            _ => {}
        }
        run = if *byte == b'\\' { run + 1 } else { 0 };
        at += 1;
    }
    raw.len()
}

fn separates(raw: &str, at: usize) -> bool {
    let rest = raw.get(at..).unwrap_or_default();
    rest.strip_prefix(", ").is_some_and(|next| {
        !next.starts_with("unattached volumes=") && !next.starts_with("failed to process volumes=")
    })
}
