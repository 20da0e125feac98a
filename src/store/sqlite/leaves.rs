//! Rows of a table whose way down is lost: every page of the file that looks like the end of a table is read by itself.
//!
//! It knows nothing of which table a page belongs to. Whoever takes the rows tries them on the table that it misses: the
//! number of columns and the checks of the table tell.
//!
//! The layout of pages and records: <https://www.sqlite.org/fileformat2.html>.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rusqlite::types::Value;

use super::transplant::{page_size, pair, word};

/// A page that holds rows of a table.
const LEAF: u8 = 0x0d;
/// Its header, in bytes.
const LEAF_HEADER: usize = 8;
/// A record is never longer than this here, in bytes: more is damage.
const RECORD_MOST: u64 = 64 * 1024 * 1024;
/// More columns no table has.
const COLUMNS_MOST: usize = 64;

/// A file of pages.
pub(super) struct Leaves {
    file: File,
    size: usize,
    pages: u32,
}

/// A row: its number, and its columns. The column that is the number itself is null.
pub(super) type Row = (i64, Vec<Value>);

impl Leaves {
    /// The pages of a file. The page size is that of `like`, because the file's own header may be gone.
    pub(super) fn open(path: &Path, like: &Path) -> io::Result<Self> {
        let size = page_size(&File::open(like)?)?;
        let file = File::open(path)?;
        let pages = u32::try_from(file.metadata()?.len() / size as u64).unwrap_or(u32::MAX);
        Ok(Self { file, size, pages })
    }

    /// Gives every row with so many columns to `take`.
    pub(super) fn rows(&self, columns: usize, mut take: impl FnMut(Row)) {
        for number in 1..=self.pages {
            let Some(page) = self.page(number) else { continue };
            let begin = if number == 1 { 100 } else { 0 };
            if page[begin] != LEAF {
                continue;
            }
            let cells = pair(&page, begin + 3).unwrap_or(0);
            for cell in 0..cells {
                let row = pair(&page, begin + LEAF_HEADER + 2 * cell).and_then(|at| self.row(&page, at));
                if let Some(row) = row.filter(|(_, values)| values.len() == columns) {
                    take(row);
                }
            }
        }
    }

    fn page(&self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.size];
        let offset = u64::from(number.checked_sub(1)?) * self.size as u64;
        self.file.read_exact_at(&mut page, offset).ok()?;
        Some(page)
    }

    fn row(&self, page: &[u8], at: usize) -> Option<Row> {
        let (length, at) = varint(page, at)?;
        let (rowid, at) = varint(page, at)?;
        let record = self.payload(page, at, length)?;
        #[expect(clippy::cast_possible_wrap, reason = "a row's number is kept as its bits")]
        Some((rowid as i64, values(&record)?))
    }

    /// What of a record does not fit into its page goes on in a chain of pages.
    fn payload(&self, page: &[u8], at: usize, length: u64) -> Option<Vec<u8>> {
        if length > RECORD_MOST {
            return None;
        }
        let length = usize::try_from(length).ok()?;
        let usable = self.size;
        let most = usable - 35;
        if length <= most {
            return page.get(at..at + length).map(<[u8]>::to_vec);
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let kept = least + (length - least) % (usable - 4);
        let local = if kept <= most { kept } else { least };
        let mut record = page.get(at..at + local)?.to_vec();
        let mut next = word(page, at + local)?;
        while record.len() < length {
            let more = self.page(next)?;
            next = word(&more, 0)?;
            let rest = (length - record.len()).min(usable - 4);
            record.extend_from_slice(more.get(4..4 + rest)?);
        }
        Some(record)
    }
}

/// The columns of a record.
fn values(record: &[u8]) -> Option<Vec<Value>> {
    let (header, mut at) = varint(record, 0)?;
    let header = usize::try_from(header).ok()?;
    let mut kinds = Vec::new();
    while at < header {
        let (kind, next) = varint(record, at)?;
        kinds.push(kind);
        at = next;
        if kinds.len() > COLUMNS_MOST {
            return None;
        }
    }
    let mut body = record.get(header..)?;
    kinds.into_iter().map(|kind| value(kind, &mut body)).collect()
}

fn value(kind: u64, body: &mut &[u8]) -> Option<Value> {
    let mut taken = |long: usize| {
        let (own, rest) = body.split_at_checked(long)?;
        *body = rest;
        Some(own)
    };
    Some(match kind {
        0 => Value::Null,
        1..=6 => {
            let long = [1, 2, 3, 4, 6, 8][usize::try_from(kind).ok()? - 1];
            let bytes = taken(long)?;
            let first = i64::from(i8::from_be_bytes([*bytes.first()?]));
            Value::Integer(bytes[1..].iter().fold(first, |number, byte| (number << 8) | i64::from(*byte)))
        }
        7 => Value::Real(f64::from_be_bytes(taken(8)?.try_into().ok()?)),
        8 => Value::Integer(0),
        9 => Value::Integer(1),
        10 | 11 => return None,
        _ => {
            let bytes = taken(usize::try_from((kind - 12) / 2).ok()?)?;
            if kind.is_multiple_of(2) {
                Value::Blob(bytes.to_vec())
            } else {
                Value::Text(String::from_utf8(bytes.to_vec()).ok()?)
            }
        }
    })
}

/// A number of one to nine bytes, and where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    for index in 0..9 {
        let byte = *bytes.get(at + index)?;
        if index == 8 {
            return Some(((number << 8) | u64::from(byte), at + 9));
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, at + index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, params};

    use super::*;
    use crate::platform::fuzz;

    #[test]
    fn rows_of_every_kind_are_read_from_their_pages() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x.db");
        #[expect(clippy::disallowed_methods, reason = "a test prepares its files")]
        let db = Connection::open(&path).expect("a database");
        db.execute_batch("CREATE TABLE t (key INTEGER PRIMARY KEY, a, b, c)").expect("a table");
        let long = "ä".repeat(20_000);
        let kinds =
            [0_i64, 1, -1, 127, -128, 30_000, -30_000, 8_000_000, -8_000_000, i64::from(i32::MIN), 1 << 40, i64::MIN];
        for (key, number) in (1_i64..).zip(kinds) {
            db.execute("INSERT INTO t VALUES (?1, ?2, ?3, ?4)", params![key * 1000, number, 1.5, long]).expect("a row");
        }
        drop(db);
        let mut found = Vec::new();
        Leaves::open(&path, &path).expect("opened").rows(4, |row| found.push(row));
        found.sort_by_key(|(key, _)| *key);
        let expected: Vec<Row> = (1_i64..)
            .zip(kinds)
            .map(|(key, number)| {
                (key * 1000, vec![Value::Null, Value::Integer(number), Value::Real(1.5), Value::Text(long.clone())])
            })
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn nonsense_is_no_row() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x.db");
        #[expect(clippy::disallowed_methods, reason = "a test prepares its files")]
        let db = Connection::open(&path).expect("a database");
        db.execute_batch("CREATE TABLE t (key INTEGER PRIMARY KEY, a)").expect("a table");
        drop(db);
        let mut page: Vec<u8> = (0..4096_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        page[0] = LEAF;
        let file = File::options().append(true).open(&path).expect("opened");
        file.write_all_at(&page, 8192).expect("written");
        // Nothing panics, whatever the bytes say.
        Leaves::open(&path, &path).expect("opened").rows(2, |_| {});
    }

    /// The bytes of a database with rows of every kind.
    fn valid() -> Vec<u8> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("x.db");
        #[expect(clippy::disallowed_methods, reason = "a test prepares its files")]
        let db = Connection::open(&path).expect("a database");
        db.execute_batch("PRAGMA page_size = 512; CREATE TABLE t (key INTEGER PRIMARY KEY, a, b, c)").expect("a table");
        for key in 1_i64..20 {
            let text = "ä".repeat(usize::try_from(key * key * 3).expect("small"));
            db.execute("INSERT INTO t VALUES (?1, ?2, 1.5, ?3)", params![key, key << (3 * key), text]).expect("a row");
        }
        drop(db);
        std::fs::read(&path).expect("read")
    }

    proptest::proptest! {
        #![proptest_config(fuzz::config())]

        #[test]
        fn pages_of_any_bytes_give_rows_or_nothing(content in fuzz::hostile(vec![valid()])) {
            use std::io::Write as _;
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            file.write_all(&content).expect("written");
            // A file that is too short for the size of a page is refused.
            if let Ok(leaves) = Leaves::open(file.path(), file.path()) {
                leaves.rows(4, |(_, values)| assert_eq!(values.len(), 4));
            }
        }
    }
}
