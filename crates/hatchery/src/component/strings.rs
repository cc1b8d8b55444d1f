//! Strings, in the three encodings that a component may choose.

use super::abi::Abi;
use super::caller::Caller;
use super::layout::{MAX_LIST_BYTES, TypeAbi};
use super::traits::{ComponentType, Flat, FlatMut, Lift, Lower, Place, TypeCheck};
use super::types::Type;
use super::violation::Violation;
use super::wit_text::WitText;
use crate::error::Error;
use hatchery_component::plan::Encoding;
use hatchery_vm::MemoryPlaceRef;
use std::borrow::Cow;

/// How the bytes of one string are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Units {
    Utf8,
    Utf16,
    Latin1,
}

/// Bytes of a string in a guest's memory, whose extent was checked.
#[derive(Debug, Clone, Copy)]
struct Text {
    at: u64,
    bytes: u64,
    units: Units,
}

impl Text {
    /// The string of this pointer and length.
    #[inline(always)]
    fn new(cx: &Abi<'_>, pointer: u64, length: u64) -> Result<Text, Error> {
        if cx.options.encoding == Encoding::Utf8 {
            return Text::of_units(cx, pointer, length, Units::Utf8);
        }
        Text::encoded(cx, pointer, length)
    }

    #[inline(never)]
    fn encoded(cx: &Abi<'_>, pointer: u64, length: u64) -> Result<Text, Error> {
        let tag = utf16_tag(cx);
        if !pointer.is_multiple_of(2) {
            return Err(Violation::Unaligned { pointer, align: 2 }.error());
        }
        match cx.options.encoding {
            Encoding::CompactUtf16 if length & tag == 0 => Text::of_units(cx, pointer, length, Units::Latin1),
            Encoding::CompactUtf16 => Text::of_units(cx, pointer, (length ^ tag).saturating_mul(2), Units::Utf16),
            _ => Text::of_units(cx, pointer, length.saturating_mul(2), Units::Utf16),
        }
    }

    #[inline(always)]
    fn of_units(cx: &Abi<'_>, pointer: u64, bytes: u64, units: Units) -> Result<Text, Error> {
        let length = cx.bytes().len() as u64;
        if bytes > MAX_LIST_BYTES {
            return Err(Violation::TooLong(bytes).error());
        }
        if pointer.saturating_add(bytes) > length {
            return Err(Violation::StringOutOfBounds { pointer, bytes, length }.error());
        }
        Ok(Text { at: pointer, bytes, units })
    }

    /// The string in flat values.
    #[inline(always)]
    fn lift(cx: &Abi<'_>, flat: &mut Flat<'_>) -> Result<Text, Error> {
        let (pointer, length) = (flat.size(cx.is_wide()), flat.size(cx.is_wide()));
        Text::new(cx, pointer, length)
    }

    /// The string whose pointer and length are in memory.
    #[inline(always)]
    fn load(cx: &Abi<'_>, place: Place) -> Result<Text, Error> {
        let (pointer, length) = load_pair(cx, place)?;
        Text::new(cx, pointer, length)
    }

    /// Its bytes among all of the memory.
    #[inline(always)]
    fn among<'a>(&self, memory: &'a [u8]) -> &'a [u8] {
        memory.get(self.at as usize..(self.at + self.bytes) as usize).unwrap_or_default()
    }

    /// The characters among all bytes of the memory.
    #[inline(always)]
    fn decode<'a>(&self, memory: &'a [u8]) -> Result<Cow<'a, str>, Error> {
        match self.units {
            Units::Utf8 => utf8(self.among(memory)).map(Cow::Borrowed),
            Units::Utf16 => utf16(self.among(memory)).map(Cow::Owned),
            Units::Latin1 => latin1(self.among(memory)),
        }
    }

    #[inline(always)]
    fn to_string(self, cx: &mut Abi<'_>) -> Result<String, Error> {
        if self.units == Units::Utf8 {
            cx.charge(self.bytes as usize)?;
            return utf8(self.among(cx.bytes())).map(str::to_owned);
        }
        self.transcode_out(cx)
    }

    #[inline(never)]
    fn transcode_out(self, cx: &mut Abi<'_>) -> Result<String, Error> {
        let bytes = self.among(cx.bytes());
        let length = if self.units == Units::Utf16 { utf16_length(bytes) } else { latin1_length(bytes) };
        cx.charge(length)?;
        self.decode(cx.bytes()).map(Cow::into_owned)
    }

    /// Bytes of the characters in the host's encoding, at most.
    fn longest(&self) -> usize {
        let bytes = self.bytes as usize;
        match self.units {
            Units::Utf8 => bytes,
            Units::Utf16 => bytes / 2 * 3,
            Units::Latin1 => bytes * 2,
        }
    }
}

#[inline(always)]
fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    core::str::from_utf8(bytes).map_err(|error| Violation::Utf8(error).error())
}

fn utf16_tag(cx: &Abi<'_>) -> u64 {
    if cx.is_wide() { 1 << 63 } else { 1 << 31 }
}

fn units(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit))
}

/// Bytes of UTF-16 in the host's encoding, if it is well-formed.
fn utf16_length(bytes: &[u8]) -> usize {
    let length = |unit| match unit {
        0..0x80 => 1,
        // Half of a pair has half of its four bytes.
        0x80..0x800 | 0xd800..0xe000 => 2,
        _ => 3,
    };
    units(bytes).map(length).sum()
}

/// Room for all of a string is made at once: one that grows has up to three times what it needs while it does.
fn utf16(bytes: &[u8]) -> Result<String, Error> {
    let mut text = String::with_capacity(utf16_length(bytes));
    for character in char::decode_utf16(units(bytes)) {
        text.push(character.map_err(|_| Violation::Utf16.error())?);
    }
    Ok(text)
}

/// Bytes of Latin-1 in the host's encoding.
fn latin1_length(bytes: &[u8]) -> usize {
    bytes.len() + bytes.iter().filter(|byte| !byte.is_ascii()).count()
}

/// As for [`utf16`], all at once.
fn latin1(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    let length = latin1_length(bytes);
    if length == bytes.len() {
        return utf8(bytes).map(Cow::Borrowed);
    }
    let mut text = String::with_capacity(length);
    text.extend(bytes.iter().copied().map(char::from));
    Ok(Cow::Owned(text))
}

/// A pointer and a length in memory.
#[inline(always)]
pub(crate) fn load_pair(cx: &Abi<'_>, place: Place) -> Result<(u64, u64), Error> {
    if cx.is_wide() {
        Ok((u64::from_le_bytes(cx.read(place.at)?), u64::from_le_bytes(cx.read(place.at + 8)?)))
    } else {
        let narrow = |bytes| u64::from(u32::from_le_bytes(bytes));
        Ok((narrow(cx.read(place.at)?), narrow(cx.read(place.at + 4)?)))
    }
}

/// Writes a pointer and a length.
#[inline(always)]
pub(crate) fn store_pair(cx: &mut Abi<'_>, place: Place, pointer: u64, length: u64) -> Result<(), Error> {
    if cx.is_wide() {
        cx.write(place.at, pointer.to_le_bytes())?;
        cx.write(place.at + 8, length.to_le_bytes())
    } else {
        cx.write(place.at, (pointer as u32).to_le_bytes())?;
        cx.write(place.at + 4, (length as u32).to_le_bytes())
    }
}

/// Copies a string into the guest's memory: its pointer and length there.
#[inline(always)]
fn copy_in(cx: &mut Abi<'_>, text: &str) -> Result<(u64, u64), Error> {
    if cx.options.encoding == Encoding::Utf8 {
        let bytes = text.len() as u64;
        let pointer = cx.allocate(bytes, 1)?;
        cx.slice_mut(pointer, bytes)?.copy_from_slice(text.as_bytes());
        return Ok((pointer, bytes));
    }
    transcode_in(cx, text)
}

#[inline(never)]
fn transcode_in(cx: &mut Abi<'_>, text: &str) -> Result<(u64, u64), Error> {
    let compact = cx.options.encoding == Encoding::CompactUtf16;
    let characters = text.chars().count() as u64;
    if compact && text.chars().all(|c| u32::from(c) < 256) {
        let pointer = cx.allocate(characters, 2)?;
        let bytes = cx.slice_mut(pointer, characters)?;
        bytes.iter_mut().zip(text.chars()).for_each(|(byte, c)| *byte = u32::from(c) as u8);
        return Ok((pointer, characters));
    }
    let units = text.encode_utf16().count() as u64;
    let pointer = cx.allocate(units * 2, 2)?;
    let (chunks, _) = cx.slice_mut(pointer, units * 2)?.as_chunks_mut::<2>();
    chunks.iter_mut().zip(text.encode_utf16()).for_each(|(bytes, unit)| *bytes = unit.to_le_bytes());
    Ok((pointer, if compact { units | utf16_tag(cx) } else { units }))
}

macro_rules! string {
    ($($ty:ty),*) => {
        $(
            impl ComponentType for $ty {
                const ABI: TypeAbi = TypeAbi::list(0);

                fn check(ty: &Type, _: &mut TypeCheck<'_>) -> bool {
                    matches!(ty, Type::String)
                }

                fn describe(into: &mut WitText) {
                    into.push("string");
                }
            }
        )*
    };
}

string!(str, String, WasmStr);

impl Lower for str {
    #[inline(always)]
    fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
        let (pointer, length) = copy_in(cx, self)?;
        flat.push_size(pointer);
        flat.push_size(length);
        Ok(())
    }

    #[inline(always)]
    fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
        let (pointer, length) = copy_in(cx, self)?;
        store_pair(cx, place, pointer, length)
    }
}

impl Lower for String {
    #[inline(always)]
    fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
        self.as_str().lower(cx, flat)
    }

    #[inline(always)]
    fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
        self.as_str().store(cx, place)
    }
}

impl Lift for String {
    #[inline(always)]
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<String, Error> {
        Text::lift(cx, flat)?.to_string(cx)
    }

    #[inline(always)]
    fn load(cx: &mut Abi<'_>, place: Place) -> Result<String, Error> {
        Text::load(cx, place)?.to_string(cx)
    }
}

impl Lift for Box<str> {
    #[inline(always)]
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Box<str>, Error> {
        String::lift(cx, flat).map(String::into_boxed_str)
    }

    #[inline(always)]
    fn load(cx: &mut Abi<'_>, place: Place) -> Result<Box<str>, Error> {
        String::load(cx, place).map(String::into_boxed_str)
    }
}

/// A string where the guest has it: an argument of a host function that need not be copied.
///
/// It is what the guest's memory contains when it is looked at, which is meant to be during the call that it is an
/// argument of. Of a guest whose strings are not UTF-8, looking at it makes a copy; room for the longest that this may be
/// counts for [`Limits::max_lifted`](crate::Limits::max_lifted), once, as soon as it is passed.
#[derive(Debug, Clone, Copy)]
pub struct WasmStr {
    text: Text,
    memory: Option<MemoryPlaceRef>,
}

impl WasmStr {
    /// The string, borrowed where the guest's encoding allows it.
    ///
    /// # Errors
    ///
    /// A trap, when it is not well-formed.
    #[inline]
    pub fn to_str<'a, T: 'static>(&self, caller: &'a Caller<'_, T>) -> Result<Cow<'a, str>, Error> {
        self.text.decode(caller.memory_bytes(self.memory)?)
    }

    /// The string and the host data at once.
    ///
    /// # Errors
    ///
    /// As for [`to_str`](WasmStr::to_str).
    #[inline]
    pub fn to_str_and_data<'a, T: 'static>(
        &self,
        caller: &'a mut Caller<'_, T>,
    ) -> Result<(Cow<'a, str>, &'a mut T), Error> {
        let (data, bytes) = caller.data_and_memory_bytes(self.memory)?;
        Ok((self.text.decode(bytes)?, data))
    }

    /// Bytes that it takes in the guest's memory.
    pub fn byte_len(&self) -> usize {
        self.text.bytes as usize
    }
}

impl WasmStr {
    #[inline(always)]
    fn new(cx: &mut Abi<'_>, pointer: u64, length: u64) -> Result<WasmStr, Error> {
        let text = if cx.options.encoding == Encoding::Utf8 {
            Text::of_units(cx, pointer, length, Units::Utf8)?
        } else {
            WasmStr::encoded(cx, pointer, length)?
        };
        Ok(WasmStr { text, memory: cx.options.memory })
    }

    #[inline(never)]
    fn encoded(cx: &mut Abi<'_>, pointer: u64, length: u64) -> Result<Text, Error> {
        let text = Text::encoded(cx, pointer, length)?;
        cx.charge(text.longest())?;
        Ok(text)
    }
}

impl Lift for WasmStr {
    #[inline(always)]
    fn lift(cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<WasmStr, Error> {
        let (pointer, length) = (flat.size(cx.is_wide()), flat.size(cx.is_wide()));
        WasmStr::new(cx, pointer, length)
    }

    #[inline(always)]
    fn load(cx: &mut Abi<'_>, place: Place) -> Result<WasmStr, Error> {
        let (pointer, length) = load_pair(cx, place)?;
        WasmStr::new(cx, pointer, length)
    }
}
