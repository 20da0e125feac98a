//! What people and agents write: bounded, and never able to steer a terminal or break a page.
//!
//! Text is kept as it was given (a body may be markdown); it is made harmless where it is shown. Titles are one line
//! from the start, because everything shows them.

use std::borrow::Cow;
use std::ops::Range;

use super::refusal::{Code, Refusal};

/// The most characters of a title.
pub const TITLE_MOST: usize = 200;
/// The most bytes of a body, a summary, a reason or notes: an agent's context must survive reading it.
pub const TEXT_MOST: usize = 256 * 1024;

/// The text as one line: every run of white space and control characters becomes a space. Escape sequences lose their
/// escape and so their meaning.
pub fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if is_unsafe(c) || c == '\n' || c == '\t' { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A title from what was given. Refuses an empty one and one of more than [`TITLE_MOST`] characters.
pub fn title(text: &str) -> Result<String, Refusal> {
    let title = one_line(text);
    let long = title.chars().count();
    if title.is_empty() {
        return Err(Refusal::new(Code::InvalidValue, "the title is empty"));
    }
    if long > TITLE_MOST {
        return Err(Refusal::new(
            Code::InvalidValue,
            format!("the title has {long} characters, {TITLE_MOST} are allowed"),
        )
        .hint("give the long text with --body @FILE"));
    }
    Ok(title)
}

/// A longer text as it was given. Refuses more than [`TEXT_MOST`] bytes, and NUL, which no tool downstream survives.
pub fn bounded(what: &str, text: &str) -> Result<String, Refusal> {
    if text.len() > TEXT_MOST {
        let message = format!("{what} has {} bytes, {TEXT_MOST} are allowed", text.len());
        return Err(Refusal::new(Code::InvalidValue, message).hint("put it in a file of the project and name the file"));
    }
    if text.contains('\0') {
        return Err(Refusal::new(Code::InvalidValue, format!("{what} has a NUL character")));
    }
    Ok(text.to_owned())
}

/// A text that may not be blank and has at most `most` bytes. Refuses as [`required`] does.
pub fn short(what: &str, text: &str, most: usize) -> Result<String, Refusal> {
    let text = required(what, text)?;
    if text.len() > most {
        let message = format!("{what} has {} bytes, {most} are allowed", text.len());
        return Err(Refusal::new(Code::InvalidValue, message).hint("put it in a file of the project and name the file"));
    }
    Ok(text)
}

/// A reason, summary or note that may not be blank. Refuses as [`bounded`] does.
pub fn required(what: &str, text: &str) -> Result<String, Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::new(Code::InvalidValue, format!("{what} is empty")));
    }
    bounded(what, text)
}

/// The text as one word of a shell: whoever pastes it runs nothing else.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The first `most` characters, with an ellipsis where something was cut.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// True for what must not reach a terminal or a page raw: controls but newline and tab, marks that turn text around, and
/// characters that nobody sees and an agent reads all the same.
pub fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON with everything that [`is_unsafe`] written as an escape. Outside of strings there is none of it.
pub fn for_json(json: String) -> String {
    if !json.chars().any(is_unsafe) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_unsafe(c) {
            use std::fmt::Write as _;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("writing to a string cannot fail");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The text for a terminal: several lines stay, everything that [`is_unsafe`] is shown as `\u{…}`.
pub fn for_terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// One line for a markdown page: nothing in it can open a table cell, a link, a heading, a tag or a code span.
pub fn for_markdown(text: &str) -> String {
    let line = one_line(text);
    let mut out = String::with_capacity(line.len() + 8);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '_' if inside_a_word(&out, chars.peek()) => out.push('_'),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '!' | '#' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// There an underscore is no emphasis.
fn inside_a_word(before: &str, after: Option<&char>) -> bool {
    before.ends_with(char::is_alphanumeric) && after.is_some_and(|c| c.is_alphanumeric())
}

/// The text with these parts replaced, which are in order and do not overlap; the text itself where there are none.
pub fn replace_parts(text: &str, parts: impl Iterator<Item = (Range<usize>, &'static str)>) -> Cow<'_, str> {
    let (mut out, mut done) = (String::new(), 0);
    for (part, replacement) in parts {
        out.push_str(&text[done..part.start]);
        out.push_str(replacement);
        done = part.end;
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_harmless_line() {
        assert_eq!(title("  two\nlines\u{1b}[31m red ").expect("a title"), "two lines [31m red");
        assert_eq!(title("\n \t").expect_err("nothing is left").code, Code::InvalidValue);
        assert_eq!(title(&"x".repeat(100_000)).expect_err("too long").code, Code::InvalidValue);
    }

    #[test]
    fn no_control_character_reaches_a_terminal() {
        let shown = for_terminal("a\u{1b}[2Jb\r\nc\u{202e}d");
        assert_eq!(shown, "a\\u{1b}[2Jb\\u{d}\nc\\u{202e}d");
    }

    #[test]
    fn markdown_stays_data() {
        assert_eq!(for_markdown("| <b>x</b> [a](b) `c`\n# d"), "\\| &lt;b&gt;x&lt;/b&gt; \\[a\\](b) \\`c\\` \\# d");
    }

    #[test]
    fn cutting_counts_characters_not_bytes() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
    }
}
