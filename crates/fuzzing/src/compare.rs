//! Whether two sides say the same of what happened.

/// How far two sides were compared, and agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// Events that both have.
    pub(crate) events: usize,
    /// Whether one side came to a limit of its own behind them, from where on nothing is compared.
    pub(crate) limited: bool,
}

/// What the sides say where they first say different things; nothing for one that ended before.
pub(crate) type Difference<'a, E> = (Option<&'a E>, Option<&'a E>);

/// Compares events up to the first limit of either side, but for those that are `forgiven`: each by its number.
pub(crate) fn compare<'a, E: PartialEq>(
    ours: &'a [E],
    theirs: &'a [E],
    limit: &E,
    forgiven: impl Fn(usize, &E, &E) -> bool,
) -> Result<Agreement, Difference<'a, E>> {
    let most = ours.len().max(theirs.len());
    for events in 0..most {
        let (a, b) = (ours.get(events), theirs.get(events));
        if a == Some(limit) || b == Some(limit) {
            return Ok(Agreement { events, limited: true });
        }
        match (a, b) {
            (Some(a), Some(b)) if a == b || forgiven(events, a, b) => {}
            _ => return Err((a, b)),
        }
    }
    Ok(Agreement { events: most, limited: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: i32 = -1;

    fn compared<'a>(ours: &'a [i32], theirs: &'a [i32]) -> Result<Agreement, Difference<'a, i32>> {
        compare(ours, theirs, &LIMIT, |_, ours, theirs| (*ours, *theirs) == (7, 8))
    }

    #[test]
    fn events_are_compared_up_to_the_first_limit() {
        assert_eq!(compared(&[1, 2], &[1, 2]), Ok(Agreement { events: 2, limited: false }));
        assert_eq!(compared(&[1, LIMIT], &[1, 2]), Ok(Agreement { events: 1, limited: true }));
        assert_eq!(compared(&[LIMIT, 1], &[2, 2]), Ok(Agreement { events: 0, limited: true }));
        assert_eq!(compared(&[1, 2], &[1, LIMIT]), Ok(Agreement { events: 1, limited: true }));
        assert_eq!(compared(&[1, 2], &[1, 1]), Err((Some(&2), Some(&1))));
        assert_eq!(compared(&[3], &[1, LIMIT]), Err((Some(&3), Some(&1))));
    }

    #[test]
    fn a_side_that_ends_earlier_differs_unless_that_is_its_limit() {
        assert_eq!(compared(&[1], &[1, 2]), Err((None, Some(&2))));
        assert_eq!(compared(&[1, 2], &[1]), Err((Some(&2), None)));
        assert_eq!(compared(&[1], &[1, LIMIT]), Ok(Agreement { events: 1, limited: true }));
    }

    #[test]
    fn what_is_forgiven_is_so_in_one_direction() {
        assert_eq!(compared(&[7, 1], &[8, 1]), Ok(Agreement { events: 2, limited: false }));
        assert_eq!(compared(&[8], &[7]), Err((Some(&8), Some(&7))));
    }
}
