//! The dependency graph: circles, and how much waits below a task. Generic over where the edges are kept.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Chains longer than this count as this long. It bounds how far a change can spread, and no ranking needs more.
pub const CRITICAL_PATH_MOST: u32 = 50;

/// The critical path of a task whose unfinished direct dependents have these.
pub fn critical_path(dependents: impl IntoIterator<Item = u32>) -> u32 {
    dependents.into_iter().map(|below| (below + 1).min(CRITICAL_PATH_MOST)).max().unwrap_or(0)
}

/// The shortest way from `from` to `to` along `next`, both ends included; none where there is none. A way of a node to
/// itself has at least one step. Errors of `next` are passed on.
pub fn way<K: Copy + Eq + Hash, E>(
    from: K,
    to: K,
    mut next: impl FnMut(K) -> Result<Vec<K>, E>,
) -> Result<Option<Vec<K>>, E> {
    let mut came_from: HashMap<K, K> = HashMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        for target in next(node)? {
            if target == to {
                let mut back = vec![to, node];
                let mut at = node;
                while at != from {
                    at = came_from[&at];
                    back.push(at);
                }
                back.reverse();
                return Ok(Some(back));
            }
            if target != from && !came_from.contains_key(&target) {
                came_from.insert(target, node);
                queue.push_back(target);
            }
        }
    }
    Ok(None)
}

/// A circle in the whole graph, as its nodes in order, or none. For plans that arrive at once.
pub fn circle(edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Closed,
    }
    let mut marks = vec![Mark::New; edges.len()];
    for start in 0..edges.len() {
        // An explicit stack: a plan may be a chain of 100,000 tasks.
        let mut stack = vec![(start, 0)];
        while let Some((node, at)) = stack.pop() {
            if at == 0 && marks[node] != Mark::New {
                continue;
            }
            marks[node] = Mark::Open;
            match edges[node].get(at) {
                None => marks[node] = Mark::Closed,
                Some(&target) => {
                    stack.push((node, at + 1));
                    if marks[target] == Mark::Open {
                        let begin = stack.iter().position(|(n, _)| *n == target)?;
                        return Some(stack[begin..].iter().map(|(n, _)| *n).collect());
                    }
                    stack.push((target, 0));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn way_in(edges: &[Vec<usize>], from: usize, to: usize) -> Option<Vec<usize>> {
        way(from, to, |node| Ok::<_, Infallible>(edges[node].clone())).expect("cannot fail")
    }

    /// The naive model: reachability by closing the relation under composition.
    fn closure(edges: &[Vec<usize>]) -> Vec<Vec<bool>> {
        let n = edges.len();
        let mut reach = vec![vec![false; n]; n];
        for (node, targets) in edges.iter().enumerate() {
            for target in targets {
                reach[node][*target] = true;
            }
        }
        for via in 0..n {
            for a in 0..n {
                for b in 0..n {
                    reach[a][b] |= reach[a][via] && reach[via][b];
                }
            }
        }
        reach
    }

    fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
        (1..8usize).prop_flat_map(|n| prop::collection::vec(prop::collection::vec(0..n, 0..4), n))
    }

    proptest! {
        #[test]
        fn a_way_is_found_exactly_where_one_is(edges in graphs()) {
            let reach = closure(&edges);
            for (from, row) in reach.iter().enumerate() {
                for (to, reached) in row.iter().enumerate() {
                    let found = way_in(&edges, from, to);
                    prop_assert_eq!(found.is_some(), *reached);
                    for pair in found.iter().flat_map(|way| way.windows(2)) {
                        prop_assert!(edges[pair[0]].contains(&pair[1]));
                    }
                }
            }
        }

        #[test]
        fn a_circle_is_found_exactly_where_one_is(edges in graphs()) {
            let reach = closure(&edges);
            let found = circle(&edges);
            prop_assert_eq!(found.is_some(), (0..edges.len()).any(|node| reach[node][node]));
            for (at, node) in found.iter().flatten().enumerate() {
                let ring = found.as_ref().expect("it was found");
                prop_assert!(edges[*node].contains(&ring[(at + 1) % ring.len()]));
            }
        }
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let edges: Vec<Vec<usize>> = (0..100_000usize).map(|n| if n == 0 { vec![] } else { vec![n - 1] }).collect();
        assert_eq!(circle(&edges), None);
    }

    #[test]
    fn the_critical_path_is_bounded() {
        assert_eq!(critical_path([]), 0);
        assert_eq!(critical_path([0, 3]), 4);
        assert_eq!(critical_path([CRITICAL_PATH_MOST]), CRITICAL_PATH_MOST);
    }
}
