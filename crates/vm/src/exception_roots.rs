//! Where an instance may have references to exceptions, and what becomes of one that is caught.

#![expect(unsafe_code, reason = "reads the words of a stack")]

use crate::exceptions::{LOOK, Roots, Thrown};
use crate::instance::Inner;
use crate::machine::{Fate, Landing, words};
use crate::prepared::PreparedCore;
use crate::stop::Stop;
use hatchery_image::abi::RawVal;
use hatchery_image::{Image, TableId, TrapCode, ValType};

/// Tables and globals of an image that can hold references to exceptions.
#[derive(Debug)]
pub(crate) struct ExceptionItems {
    /// Ascending.
    tables: Box<[TableId]>,
    /// Offsets from `vmctx`.
    globals: Box<[u32]>,
}

impl ExceptionItems {
    fn of(image: &Image) -> ExceptionItems {
        let tables = image.tables().iter().enumerate().filter(|(_, table)| table.element.is_exn());
        let is_exn = |ty| matches!(ty, ValType::Ref(reference) if reference.is_exn());
        let globals = image.globals().iter().filter(|global| is_exn(global.ty));
        ExceptionItems {
            tables: tables.map(|(id, _)| TableId(id as u32)).collect(),
            globals: globals.map(|global| global.offset).collect(),
        }
    }
}

impl PreparedCore {
    /// Found when an exception is first caught with a reference: few programs do that.
    fn exception_items(&self) -> &ExceptionItems {
        self.exception_items.get_or_init(|| ExceptionItems::of(&self.image))
    }
}

/// What a sweep looks at in an instance.
struct InstanceRoots<'a> {
    inner: &'a Inner,
    items: &'a ExceptionItems,
    /// Where guest code goes on; it is on the instance's stack, on which this is used.
    landing: Landing,
    count: usize,
}

impl InstanceRoots<'_> {
    /// Shows these words, with a look whether the guest is to stop before the first and now and then.
    fn show_words(&self, words: impl Iterator<Item = u64>, see: &mut dyn FnMut(u64)) -> Result<(), Stop> {
        for (at, word) in words.enumerate() {
            if at.is_multiple_of(LOOK) {
                self.check()?;
            }
            see(word);
        }
        Ok(())
    }
}

impl Roots for InstanceRoots<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn show(&self, see: &mut dyn FnMut(u64)) -> Result<(), Stop> {
        for table in &self.items.tables {
            self.show_words(self.inner.table_words(*table).iter().copied(), see)?;
        }
        self.show_words(self.items.globals.iter().map(|offset| self.inner.load(u64::from(*offset))), see)?;
        let Some(record) = self.inner.record.get() else { return Ok(()) };
        // SAFETY: the record is of the instance's own task, on whose stack this runs; the landing is that of `arrive`.
        self.show_words(unsafe { words(record, self.landing) }, see)
    }

    fn check(&self) -> Result<(), Stop> {
        self.inner.check_interrupt()
    }
}

impl Inner {
    /// What a landing pad gets of an exception: its reference, or 0, and its values.
    ///
    /// # Errors
    ///
    /// Why the guest stops instead.
    ///
    /// # Safety
    ///
    /// The fate was just found on this instance's stack, on which the caller runs.
    pub(crate) unsafe fn arrive(&self, thrown: Thrown, fate: Fate) -> Result<(Landing, u64, *const RawVal), Stop> {
        let landing = match fate {
            Fate::Caught(landing) => landing,
            Fate::Uncaught => return Err(Stop::Trap(TrapCode::UncaughtException)),
            Fate::Withdrawn => return Err(Stop::Withdrawn),
        };
        let reference = match thrown.word {
            Some(word) => word,
            None if landing.wants_reference => self.keep(thrown, landing)?,
            None => 0,
        };
        Ok((landing, reference, self.exceptions.borrow().values(thrown).as_ptr()))
    }

    /// Gives the exception in flight a place, for which the guest pays: the reference to it. The landing is that of `arrive`.
    fn keep(&self, thrown: Thrown, landing: Landing) -> Result<u64, Stop> {
        let mut exceptions = self.exceptions.borrow_mut();
        let (items, limit) = (self.prepared.exception_items(), self.prepared.limits.exception_bytes);
        let lengths = || items.tables.iter().map(|table| self.table_length(*table) as usize).sum();
        let elements = *exceptions.elements.get_or_insert_with(lengths);
        let stack = self.prepared.stacks.config();
        let stack_words = (stack.guest + stack.host_reserve) / size_of::<u64>();
        let count = elements + items.tables.len() + items.globals.len() + stack_words;
        self.charge(exceptions.price(limit, count)?)?;
        exceptions.keep(thrown.tag, limit, &InstanceRoots { inner: self, items, landing, count })
    }

    /// A table has become longer: sweeps look at more, if references can be there.
    pub(crate) fn note_longer_table(&self, id: TableId, delta: u64) {
        if let Some(elements) = &mut self.exceptions.borrow_mut().elements
            && self.prepared.exception_items().tables.binary_search(&id).is_ok()
        {
            *elements += delta as usize;
        }
    }
}
