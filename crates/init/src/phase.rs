//! The phases of an instance's life.
//!
//! ```text
//!  Allocated ─► Starting ─► Started ─┬────────────────► Ready ◄─► Running ◄─► Suspended
//!                                    └► Initializing ──►
//!  Starting, Started, Initializing, Ready, Running, Suspended ─► Poisoned
//!  every phase but Running ─► Retired
//! ```

use Phase::{Allocated, Initializing, Poisoned, Ready, Retired, Running, Started, Starting, Suspended};

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It has a slot in its image's state, and nothing has run in it.
    ///
    /// Exits: `Starting`, when the plan is taken up where the image left it; `Retired`.
    Allocated,
    /// Steps of the plan are being run, or some are left.
    ///
    /// Exits: `Started`, behind the last step; `Poisoned`, when one fails; `Retired`.
    Starting,
    /// The plan is done.
    ///
    /// Exits: `Initializing`, for functions that run after every start and before any export; `Ready`, when there
    /// are none; `Poisoned`; `Retired`.
    Started,
    /// Functions of the second phase are run: `_initialize`, and the one that a build was asked to run.
    ///
    /// Exits: `Ready`, behind the last; `Poisoned`, when one fails; `Retired`.
    Initializing,
    /// Exports can be called.
    ///
    /// Exits: `Running`, by a call; `Poisoned`, when its owner gives it up; `Retired`.
    Ready,
    /// A call is active.
    ///
    /// Exits: `Ready`, when it ends; `Suspended`, when it waits; `Poisoned`, by a trap in a component.
    Running,
    /// A call waits for the host.
    ///
    /// Exits: `Running`, when it is resumed; `Poisoned`, when it is cancelled in a component; `Retired`, when the
    /// owner drops it.
    Suspended,
    /// It failed and never runs again.
    ///
    /// Exits: `Retired`.
    Poisoned,
    /// Its slot is given back.
    ///
    /// Exits: none.
    Retired,
}

/// A phase does not follow another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an instance that is {from:?} cannot become {to:?}")]
pub struct IllegalTransition {
    /// The phase it is in.
    pub from: Phase,
    /// The phase it was to enter.
    pub to: Phase,
}

impl Phase {
    /// All phases.
    pub const ALL: [Phase; 9] =
        [Allocated, Starting, Started, Initializing, Ready, Running, Suspended, Poisoned, Retired];

    /// The phases that can follow.
    pub const fn exits(self) -> &'static [Phase] {
        match self {
            Allocated => &[Starting, Retired],
            Starting => &[Started, Poisoned, Retired],
            Started => &[Initializing, Ready, Poisoned, Retired],
            Initializing => &[Ready, Poisoned, Retired],
            Ready => &[Running, Poisoned, Retired],
            Running => &[Ready, Suspended, Poisoned],
            Suspended => &[Running, Poisoned, Retired],
            Poisoned => &[Retired],
            Retired => &[],
        }
    }

    /// The other phase, if it can follow this one.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub fn then(self, to: Phase) -> Result<Phase, IllegalTransition> {
        if self.exits().contains(&to) { Ok(to) } else { Err(IllegalTransition { from: self, to }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// All phases on some way that begins in `from` and does not use `avoid`.
    fn reachable(from: Phase, avoid: Option<Phase>) -> BTreeSet<usize> {
        let number = |phase: Phase| Phase::ALL.iter().position(|p| *p == phase).expect("listed");
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(phase) = open.pop() {
            if Some(phase) != avoid && seen.insert(number(phase)) {
                open.extend(phase.exits());
            }
        }
        seen
    }

    fn reaches(from: Phase, to: Phase, avoid: Option<Phase>) -> bool {
        reachable(from, avoid).contains(&Phase::ALL.iter().position(|p| *p == to).expect("listed"))
    }

    #[test]
    fn transitions_are_the_exits_and_no_others() {
        for from in Phase::ALL {
            for to in Phase::ALL {
                assert_eq!(from.then(to).is_ok(), from.exits().contains(&to), "{from:?} to {to:?}");
            }
        }
        let error = Allocated.then(Ready).expect_err("nothing has run");
        assert_eq!(error.to_string(), "an instance that is Allocated cannot become Ready");
    }

    #[test]
    fn every_phase_is_entered_and_every_life_ends() {
        assert_eq!(reachable(Allocated, None).len(), Phase::ALL.len());
        assert!(Phase::ALL.iter().all(|phase| reaches(*phase, Retired, None)));
    }

    #[test]
    fn nothing_runs_before_the_plan_is_done_or_after_a_failure() {
        for needed in [Starting, Started, Ready] {
            assert!(!reaches(Allocated, Running, Some(needed)), "{needed:?} was skipped");
        }
        assert!(!reaches(Poisoned, Running, None));
        // A slot is never given back under a call.
        assert!(Running.then(Retired).is_err());
    }

    #[test]
    fn nothing_is_started_twice() {
        for phase in [Started, Initializing, Ready, Running, Suspended] {
            assert!(!reaches(phase, Starting, None), "{phase:?}");
        }
        assert!(!reaches(Ready, Initializing, None));
    }
}
