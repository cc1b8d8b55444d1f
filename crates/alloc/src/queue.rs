//! Who waits for a slot, in which order, and which way a call takes. Plain values: [`wait`](crate::wait) locks them, wakes
//! and sleeps.

use crate::allocator::AllocateError;
use core::mem;
use core::task::Waker;
use std::collections::BTreeMap;

/// What an attempt found too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// All slots are in use.
    Slots,
    /// The slots in use may fill the memory.
    Memory,
}

impl Lack {
    /// `None` for errors that do not pass.
    pub(crate) fn of(error: &AllocateError) -> Option<Lack> {
        match error {
            AllocateError::Exhausted { .. } => Some(Lack::Slots),
            AllocateError::Memory { .. } => Some(Lack::Memory),
            AllocateError::Layout(_) | AllocateError::System { .. } => None,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With a slot.
    Served,
    /// Without: worth waiting.
    Without(Lack),
    /// With an error that does not pass; or there was none.
    Failed,
}

/// Says that something was released. Whoever cannot make use of it passes it on.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// Addresses of the templates for which it was not enough: another who wants the same need not try.
    refused: Vec<usize>,
}

/// How one who waits is woken.
#[derive(Debug)]
pub(crate) enum Sleeper {
    /// Sleeps on the condition variable.
    Thread,
    /// Wants to be polled.
    Task(Waker),
}

/// What one who waits is doing. Called from Waiting; Waiting again when the call is taken.
#[derive(Debug)]
pub(crate) enum State {
    /// Sleeps, or tries because of an earlier call.
    Waiting(Sleeper),
    /// Was told to try.
    Called(Call),
}

#[derive(Debug)]
pub(crate) struct Waiter {
    template: usize,
    /// What the last attempt lacked; `None` while there is another.
    lacks: Option<Lack>,
    state: State,
}

impl Waiter {
    /// The call that it did not take.
    pub(crate) fn into_call(self) -> Option<Call> {
        match self.state {
            State::Called(call) => Some(call),
            State::Waiting(_) => None,
        }
    }

    /// Whether a call that led to this is worth another attempt. One slot serves one; memory may be left for more.
    fn may_profit(&self, call: &Call, after: Outcome) -> bool {
        let waits = matches!(self.state, State::Waiting(_));
        let left = after != Outcome::Served || self.lacks != Some(Lack::Slots);
        waits && left && !call.refused.contains(&self.template)
    }
}

/// Numbered tickets: the lowest number has waited longest.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Waiter>,
}

impl Queue {
    /// Somebody waits for a slot of the template at this address.
    pub(crate) fn enter(&mut self, template: usize, sleeper: Sleeper) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, Waiter { template, lacks: None, state: State::Waiting(sleeper) });
        number
    }

    /// Somebody waits no more. What is returned is to be dropped when the queue is free.
    pub(crate) fn leave(&mut self, number: u64) -> Option<Waiter> {
        self.waiting.remove(&number)
    }

    pub(crate) fn is_called(&self, number: u64) -> bool {
        self.waiting.get(&number).is_some_and(|waiter| matches!(waiter.state, State::Called(_)))
    }

    /// Before another attempt: gives what led to it, to be dropped when the queue is free.
    pub(crate) fn wait_again(&mut self, number: u64, sleeper: Sleeper) -> Option<State> {
        let waiter = self.waiting.get_mut(&number)?;
        waiter.lacks = None;
        Some(mem::replace(&mut waiter.state, State::Waiting(sleeper)))
    }

    /// After an attempt, and the call that led to it, if one did: who is to be woken now.
    pub(crate) fn answer(&mut self, number: u64, call: Option<Call>, outcome: Outcome) -> Option<Sleeper> {
        let mut refused = None;
        if let (Outcome::Without(lack), Some(waiter)) = (outcome, self.waiting.get_mut(&number)) {
            waiter.lacks = Some(lack);
            refused = Some(waiter.template);
        }
        let mut call = call?;
        call.refused.extend(refused);
        self.pass(call, number + 1, outcome)
    }

    /// Gives a call to the first one, from a number on, whom it may serve: that one is to be woken.
    pub(crate) fn pass(&mut self, call: Call, from: u64, after: Outcome) -> Option<Sleeper> {
        let next = self.waiting.range_mut(from..).map(|(_, waiter)| waiter).find(|w| w.may_profit(&call, after))?;
        match mem::replace(&mut next.state, State::Called(call)) {
            State::Waiting(sleeper) => Some(sleeper),
            State::Called(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 0x1000;
    const SMALL: usize = 0x2000;

    /// A queue of those who want these templates, and lack slots.
    fn queue(templates: &[usize]) -> Queue {
        let mut queue = Queue::default();
        for template in templates {
            let number = queue.enter(*template, Sleeper::Thread);
            assert!(queue.answer(number, None, Outcome::Without(Lack::Slots)).is_none());
        }
        queue
    }

    fn called(queue: &Queue) -> Vec<u64> {
        queue.waiting.keys().copied().filter(|number| queue.is_called(*number)).collect()
    }

    /// Takes the call of a number and answers it.
    fn answer(queue: &mut Queue, number: u64, outcome: Outcome) {
        let Some(State::Called(call)) = queue.wait_again(number, Sleeper::Thread) else { panic!("was called") };
        queue.answer(number, Some(call), outcome);
    }

    #[test]
    fn a_call_that_is_of_no_use_goes_on_to_those_who_want_something_else() {
        let mut queue = queue(&[LARGE, LARGE, SMALL, LARGE, SMALL]);
        queue.pass(Call::default(), 0, Outcome::Failed);
        assert_eq!(called(&queue), [0]);
        answer(&mut queue, 0, Outcome::Without(Lack::Slots));
        assert_eq!(called(&queue), [2], "the second wants what there is not");
        answer(&mut queue, 2, Outcome::Without(Lack::Slots));
        assert_eq!(called(&queue), [], "all were asked");
    }

    #[test]
    fn a_call_that_served_goes_on_to_those_who_lack_memory_only() {
        let mut queue = queue(&[SMALL, SMALL, LARGE, SMALL]);
        queue.answer(2, None, Outcome::Without(Lack::Memory));
        queue.wait_again(3, Sleeper::Thread);
        queue.pass(Call::default(), 0, Outcome::Failed);
        answer(&mut queue, 0, Outcome::Served);
        assert_eq!(called(&queue), [2]);
        answer(&mut queue, 2, Outcome::Served);
        assert_eq!(called(&queue), [3], "nobody knows yet what it lacks");
    }

    #[test]
    fn two_calls_are_two_that_are_told() {
        let mut queue = queue(&[LARGE, SMALL, SMALL]);
        queue.pass(Call::default(), 0, Outcome::Failed);
        queue.pass(Call::default(), 0, Outcome::Failed);
        assert_eq!(called(&queue), [0, 1]);
        answer(&mut queue, 0, Outcome::Without(Lack::Slots));
        assert_eq!(called(&queue), [1, 2]);
        let left = queue.leave(1).and_then(Waiter::into_call);
        assert!(left.is_some() && queue.leave(0).and_then(Waiter::into_call).is_none());
    }

    #[test]
    fn an_attempt_that_nobody_called_for_calls_nobody() {
        let mut queue = queue(&[LARGE, SMALL]);
        for outcome in [Outcome::Served, Outcome::Failed, Outcome::Without(Lack::Memory)] {
            queue.answer(0, None, outcome);
            assert_eq!(called(&queue), []);
        }
    }
}
