//! Inputs for property tests of parsers: any bytes, and valid inputs with a few edits.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Number of cases where `FUZZ_CASES` does not say another.
const CASES: u32 = 2_000;
/// What finds the edges of numbers, nesting and text.
const TOKENS: &[&[u8]] = &[
    b"18446744073709551615",
    b"-9223372036854775808",
    b"1e999",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":{\"a\":",
    b"\"",
    b"\\",
    b"\0",
    b"\n",
    b"\r\n",
    b"null",
    b"- [ ] ",
    b"\xff\xfe",
    "\u{202e}\u{feff}😀".as_bytes(),
];

/// How many cases a property test of a parser runs.
#[expect(clippy::disallowed_methods, reason = "a test reads how long it may take")]
pub fn config() -> ProptestConfig {
    let asked = std::env::var("FUZZ_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(CASES), failure_persistence: None, ..ProptestConfig::default() }
}

/// Any bytes, or one of these valid inputs with up to eight edits.
pub fn hostile(valid: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edited = (select(valid), vec(edit(), 0..8)).prop_map(|(mut content, edits)| {
        for (at, length, kind) in edits {
            apply(&mut content, at, length, &kind);
        }
        content
    });
    prop_oneof![1 => vec(any::<u8>(), 0..1_000), 4 => edited]
}

#[derive(Clone, Debug)]
enum Edit {
    Delete,
    Repeat,
    Insert(Vec<u8>),
    Overwrite(Vec<u8>),
}

fn edit() -> impl Strategy<Value = (prop::sample::Index, usize, Edit)> {
    let token = || prop_oneof![select(TOKENS).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 1..4)];
    let kind = prop_oneof![
        Just(Edit::Delete),
        Just(Edit::Repeat),
        token().prop_map(Edit::Insert),
        token().prop_map(Edit::Overwrite),
    ];
    (any::<prop::sample::Index>(), 1..40_usize, kind)
}

fn apply(content: &mut Vec<u8>, at: prop::sample::Index, length: usize, edit: &Edit) {
    let begin = at.index(content.len() + 1);
    let end = (begin + length).min(content.len());
    match edit {
        Edit::Delete => drop(content.drain(begin..end)),
        Edit::Repeat => {
            let part = content[begin..end].to_vec();
            content.splice(begin..begin, part);
        }
        Edit::Insert(token) => drop(content.splice(begin..begin, token.iter().copied())),
        Edit::Overwrite(token) => {
            let end = (begin + token.len()).min(content.len());
            content.splice(begin..end, token.iter().copied());
        }
    }
}
