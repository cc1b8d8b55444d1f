//! The suite is worth something only if it catches broken implementations: here are some.

use core::ops::Range;
use hatchery_alloc::{
    AllocateError, FaultVerdict, GrowError, InstanceAllocator, LayoutRefused, OnDemand, PAGE, PrepareError, Slot,
    SlotLayout, Template, conformance,
};
use std::sync::{Arc, Mutex};

/// What is wrong with a [`Broken`] allocator.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    /// None: the control.
    Nothing,
    /// Released slots are handed out again as they are.
    ForgetsToReset,
    /// Every fault is answered with a retry.
    AlwaysRetries,
    /// Growth is accepted and not done.
    PretendsToGrow,
    /// Ranges are prepared without a look at them.
    PreparesAnything,
    /// More is said to be writable than is.
    PromisesTooMuch,
    /// Every page is said to be as in the template.
    DeniesWrites,
}

/// A correct allocator with one thing done wrong.
struct Broken {
    inner: OnDemand,
    flaw: Flaw,
    dirty: Mutex<Vec<Slot>>,
}

// SAFETY: it is not sound, which is the point; the suite must notice before anything depends on it.
#[expect(unsafe_code, reason = "an implementation that breaks the trait's guarantees on purpose")]
unsafe impl InstanceAllocator for Broken {
    fn validate(&self, layout: &SlotLayout) -> Result<(), LayoutRefused> {
        self.inner.validate(layout)
    }

    fn allocate(&self, template: &Arc<Template>) -> Result<Slot, AllocateError> {
        let mut dirty = self.dirty.lock().expect("lock");
        match dirty.iter().position(|slot| slot.template().id() == template.id()) {
            Some(at) => Ok(dirty.swap_remove(at)),
            None => self.inner.allocate(template),
        }
    }

    unsafe fn grow(&self, slot: &mut Slot, region: usize, accessible: usize) -> Result<(), GrowError> {
        if self.flaw == Flaw::PretendsToGrow {
            return Ok(());
        }
        // SAFETY: passed on.
        unsafe { self.inner.grow(slot, region, accessible) }
    }

    unsafe fn prepare_write(&self, slot: &Slot, range: Range<usize>) -> Result<Range<usize>, PrepareError> {
        // SAFETY: passed on.
        let prepared = unsafe { self.inner.prepare_write(slot, range.clone()) };
        match self.flaw {
            Flaw::PreparesAnything => Ok(range),
            Flaw::PromisesTooMuch => prepared.map(|writable| writable.start..writable.end + PAGE),
            _ => prepared,
        }
    }

    unsafe fn write_fault(&self, slot: &Slot, address: usize) -> FaultVerdict {
        // SAFETY: passed on.
        let verdict = unsafe { self.inner.write_fault(slot, address) };
        if self.flaw == Flaw::AlwaysRetries { FaultVerdict::Retry } else { verdict }
    }

    fn touched(&self, slot: &Slot, range: Range<usize>) -> Vec<Range<usize>> {
        if self.flaw == Flaw::DeniesWrites { Vec::new() } else { self.inner.touched(slot, range) }
    }

    unsafe fn release(&self, slot: Slot) {
        if self.flaw == Flaw::ForgetsToReset {
            self.dirty.lock().expect("lock").push(slot);
        } else {
            // SAFETY: passed on.
            unsafe { self.inner.release(slot) }
        }
    }
}

fn suite_accepts(flaw: Flaw) -> bool {
    let run = move || {
        conformance::run(|| Box::new(Broken { inner: OnDemand::strict(), flaw, dirty: Mutex::default() }));
    };
    std::thread::spawn(run).join().is_ok()
}

#[test]
fn each_flaw() {
    assert!(suite_accepts(Flaw::Nothing));
    let flaws = [
        Flaw::ForgetsToReset,
        Flaw::AlwaysRetries,
        Flaw::PretendsToGrow,
        Flaw::PreparesAnything,
        Flaw::PromisesTooMuch,
        Flaw::DeniesWrites,
    ];
    for flaw in flaws {
        assert!(!suite_accepts(flaw), "{flaw:?} went unnoticed");
    }
}
