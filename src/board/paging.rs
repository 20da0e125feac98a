//! Reading rows page by page until enough of them were found: no list is cut before it was filtered.

use crate::domain::refusal::Refusal;
use crate::store::StoreError;

/// The first `limit` results of `pick`, in the order of the rows. `read` returns the page of at most `size` rows after a
/// position, `position_of` the position of a row; a page that is not full is the last one.
pub(super) fn first_of<P: Clone, Row, T>(
    start: P,
    (size, limit): (usize, usize),
    read: impl Fn(P, usize) -> Result<Vec<Row>, StoreError>,
    position_of: impl Fn(&Row) -> P,
    mut pick: impl FnMut(Row) -> Result<Option<T>, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let (mut position, mut found) = (start, Vec::new());
    loop {
        let page = read(position.clone(), size)?;
        let is_last = page.len() < size;
        for row in page {
            position = position_of(&row);
            found.extend(pick(row)?);
            if found.len() == limit {
                return Ok(found);
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}
