//! The guest's descriptors by number.

use super::{Errno, FdFlags, Rights};
use crate::host::{Descriptor, Dir, InputStream, OutputStream};

/// What a number stands for.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) descriptor: Descriptor,
    /// What it may be used for.
    pub(super) base: Rights,
    /// What may be used of that which is opened through it.
    pub(super) inheriting: Rights,
    pub(super) flags: FdFlags,
    /// The name a guest knows it by, if it was open from the start.
    pub(super) preopen: Option<Box<str>>,
    /// What it was from the start, if it was open then.
    pub(super) origin: Option<Origin>,
}

/// A descriptor that was open from the start, as it was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    number: usize,
    base: Rights,
    inheriting: Rights,
}

impl Slot {
    /// Whether it can be used for what takes these rights.
    pub(super) fn allows(&self, rights: Rights) -> Result<(), Errno> {
        let lacking = rights - self.base;
        if lacking.is_empty() { Ok(()) } else { Err(self.refusal(lacking)) }
    }

    /// What its kind cannot do at all has the error that POSIX has for it, by which guests decide whether to go on in another
    /// way: who writes at a position learns so that a stream has none.
    fn refusal(&self, lacking: Rights) -> Errno {
        let positions = Rights::FD_SEEK | Rights::FD_TELL | Rights::FD_ADVISE | Rights::FD_ALLOCATE;
        match &self.descriptor {
            Descriptor::Dir(_) if lacking.intersects(Rights::FILE - Rights::DIRECTORY) => Errno::Badf,
            Descriptor::Dir(_) => Errno::NotCapable,
            _ if lacking.intersects(Rights::TRANSFER) => Errno::Badf,
            Descriptor::File(file) if file.has_offsets() => Errno::NotCapable,
            _ if lacking.intersects(positions) => Errno::Spipe,
            _ if lacking.contains(Rights::FD_FILESTAT_SET_SIZE) => Errno::Inval,
            _ => Errno::NotCapable,
        }
    }

    fn is_as_given(&self, number: usize) -> bool {
        let now = Origin { number, base: self.base, inheriting: self.inheriting };
        self.origin == Some(now) && self.flags == FdFlags::empty()
    }
}

/// Numbers are given out lowest first, as guests and the people who write them expect.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Option<Slot>>,
    /// How many were open from the start.
    given: usize,
    limit: usize,
}

impl Table {
    /// At most `limit` descriptors are open at a time; those given from the start count, but are always taken.
    pub(crate) fn new(limit: usize) -> Self {
        Self { slots: Vec::new(), given: 0, limit }
    }

    /// Gives a stream the next number.
    pub(crate) fn push_input(&mut self, stream: Box<dyn InputStream>) {
        self.push(Descriptor::Input(stream), Rights::INPUT, Rights::empty(), None);
    }

    /// Gives a stream the next number.
    pub(crate) fn push_output(&mut self, stream: Box<dyn OutputStream>) {
        self.push(Descriptor::Output(stream), Rights::OUTPUT, Rights::empty(), None);
    }

    /// Gives a directory the next number, and a name for the guest to find it by.
    pub(crate) fn push_preopen(&mut self, dir: Dir, name: String) {
        let inheriting = Rights::DIRECTORY | Rights::FILE;
        self.push(Descriptor::Dir(dir), Rights::DIRECTORY, inheriting, Some(name.into()));
    }

    fn push(&mut self, descriptor: Descriptor, base: Rights, inheriting: Rights, preopen: Option<Box<str>>) {
        let flags = FdFlags::empty();
        let origin = Some(Origin { number: self.slots.len(), base, inheriting });
        self.slots.push(Some(Slot { descriptor, base, inheriting, flags, preopen, origin }));
        self.given = self.slots.len();
    }

    /// A standard stream, by its number.
    pub(crate) fn standard(&mut self, number: u8) -> Option<&mut Descriptor> {
        Some(&mut self.slots.get_mut(usize::from(number))?.as_mut()?.descriptor)
    }

    /// A standard stream, by its number, to look at.
    pub(crate) fn peek_standard(&self, number: u8) -> Option<&Descriptor> {
        Some(&self.slots.get(usize::from(number))?.as_ref()?.descriptor)
    }

    /// The directories that the embedder gave, with their names.
    pub(crate) fn preopens(&self) -> impl Iterator<Item = (Dir, String)> + '_ {
        self.slots.iter().flatten().filter_map(|slot| match &slot.descriptor {
            Descriptor::Dir(dir) => Some((dir.clone(), slot.preopen.as_deref()?.to_owned())),
            _ => None,
        })
    }

    /// Whether every number stands for what it stood for from the start, and nothing else is open.
    pub(crate) fn at_rest(&self) -> Result<(), String> {
        for (number, slot) in self.slots.iter().enumerate() {
            match slot {
                None if number < self.given => return Err(format!("the guest closed descriptor {number}")),
                None => {}
                Some(Slot { origin: None, .. }) => return Err(format!("descriptor {number} is open")),
                Some(slot) if !slot.is_as_given(number) => {
                    return Err(format!("the guest changed descriptor {number}"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The number a new descriptor would get.
    pub(super) fn vacant(&self) -> Result<u32, Errno> {
        let found = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let number = u32::try_from(found).map_err(|_| Errno::Mfile)?;
        if found < self.limit { Ok(number) } else { Err(Errno::Mfile) }
    }

    /// Opens a descriptor under the lowest number.
    pub(super) fn insert(&mut self, slot: Slot) -> Result<u32, Errno> {
        let number = self.vacant()?;
        match self.slots.get_mut(number as usize) {
            Some(place) => *place = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        Ok(number)
    }

    /// What a number stands for, whatever its rights.
    pub(super) fn get(&mut self, fd: i32) -> Result<&mut Slot, Errno> {
        self.place(fd)?.as_mut().ok_or(Errno::Badf)
    }

    /// What a number stands for, if it can be used for what takes these rights.
    pub(super) fn with(&mut self, fd: i32, rights: Rights) -> Result<&mut Slot, Errno> {
        let slot = self.get(fd)?;
        slot.allows(rights)?;
        Ok(slot)
    }

    /// Two directories at once, which may be the same.
    pub(super) fn dirs(&self, a: (i32, Rights), b: (i32, Rights)) -> Result<(&Dir, &Dir), Errno> {
        Ok((self.dir(a.0, a.1)?, self.dir(b.0, b.1)?))
    }

    /// The directory a number stands for, if it has these rights.
    pub(super) fn dir(&self, fd: i32, rights: Rights) -> Result<&Dir, Errno> {
        let slot = self.slot(fd)?;
        let Descriptor::Dir(dir) = &slot.descriptor else { return Err(Errno::NotDir) };
        slot.allows(rights)?;
        Ok(dir)
    }

    /// What a number stands for, to look at.
    pub(super) fn slot(&self, fd: i32) -> Result<&Slot, Errno> {
        let place = usize::try_from(fd).ok().and_then(|index| self.slots.get(index));
        place.and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    /// Closes a number.
    pub(super) fn remove(&mut self, fd: i32) -> Result<Slot, Errno> {
        self.place(fd)?.take().ok_or(Errno::Badf)
    }

    /// Moves what one number stands for to another, which must be open and is closed first.
    pub(super) fn renumber(&mut self, from: i32, to: i32) -> Result<(), Errno> {
        self.slot(from)?;
        self.slot(to)?;
        if from != to {
            let slot = self.remove(from)?;
            *self.place(to)? = Some(slot);
        }
        Ok(())
    }

    fn place(&mut self, fd: i32) -> Result<&mut Option<Slot>, Errno> {
        let index = usize::try_from(fd).map_err(|_| Errno::Badf)?;
        self.slots.get_mut(index).ok_or(Errno::Badf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::NullStream;

    fn slot() -> Slot {
        Slot {
            descriptor: Descriptor::Input(Box::new(NullStream)),
            base: Rights::FD_READ,
            inheriting: Rights::empty(),
            flags: FdFlags::empty(),
            preopen: None,
            origin: None,
        }
    }

    #[test]
    fn numbers_are_given_lowest_first_up_to_the_limit() {
        let mut table = Table::new(3);
        assert_eq!([0, 1, 2].map(|_| table.insert(slot()).unwrap()), [0, 1, 2]);
        assert_eq!(table.insert(slot()).err(), Some(Errno::Mfile));
        table.remove(1).unwrap();
        assert_eq!(table.remove(1).err(), Some(Errno::Badf));
        assert_eq!(table.insert(slot()), Ok(1));
    }

    #[test]
    fn renumbering_needs_both_and_keeps_one() {
        let mut table = Table::new(4);
        assert_eq!([0, 1].map(|_| table.insert(slot()).unwrap()), [0, 1]);
        table.get(0).unwrap().flags = FdFlags::APPEND;
        assert_eq!(table.renumber(0, 7), Err(Errno::Badf));
        assert_eq!(table.renumber(0, i32::MAX), Err(Errno::Badf));
        assert_eq!(table.renumber(-1, 1), Err(Errno::Badf));
        assert_eq!(table.renumber(0, 0), Ok(()));
        assert_eq!(table.renumber(0, 1), Ok(()));
        assert_eq!(table.get(1).unwrap().flags, FdFlags::APPEND);
        assert_eq!(table.get(0).err(), Some(Errno::Badf));
    }

    #[test]
    fn a_table_is_at_rest_when_it_is_as_it_was_given() {
        let given = || {
            let mut table = Table::new(8);
            table.push_input(Box::new(NullStream));
            table.push_output(Box::new(NullStream));
            table
        };
        let message = |change: fn(&mut Table)| {
            let mut table = given();
            change(&mut table);
            table.at_rest().err()
        };
        assert_eq!(message(|_| ()), None);
        assert_eq!(message(|table| _ = table.insert(slot())).as_deref(), Some("descriptor 2 is open"));
        assert_eq!(message(|table| _ = table.remove(0)).as_deref(), Some("the guest closed descriptor 0"));
        assert_eq!(message(|table| table.renumber(0, 1).unwrap()).as_deref(), Some("the guest closed descriptor 0"));
        let flags = message(|table| table.get(1).unwrap().flags = FdFlags::APPEND);
        assert_eq!(flags.as_deref(), Some("the guest changed descriptor 1"));
        let rights = message(|table| table.get(0).unwrap().base = Rights::empty());
        assert_eq!(rights.as_deref(), Some("the guest changed descriptor 0"));
        let passing = message(|table| {
            let number = table.insert(slot()).unwrap();
            table.remove(number as i32).unwrap();
        });
        assert_eq!(passing, None);
    }

    #[test]
    fn rights_are_checked_before_use() {
        let mut table = Table::new(4);
        table.insert(slot()).unwrap();
        assert!(table.with(0, Rights::FD_READ).is_ok());
        assert_eq!(table.with(0, Rights::FD_WRITE).err(), Some(Errno::Badf));
        assert_eq!(table.with(0, Rights::FD_WRITE | Rights::FD_SEEK).err(), Some(Errno::Badf));
        assert_eq!(table.with(0, Rights::FD_READ | Rights::FD_SEEK).err(), Some(Errno::Spipe));
        assert_eq!(table.with(0, Rights::FD_FILESTAT_SET_SIZE).err(), Some(Errno::Inval));
        assert_eq!(table.with(0, Rights::FD_FILESTAT_GET).err(), Some(Errno::NotCapable));
        assert_eq!(table.dir(0, Rights::empty()).err(), Some(Errno::NotDir));
    }
}
