//! The choices of a compilation as the root pins them.

use super::cpu::IsaFlags;
use super::error::ArtifactError;
use super::fingerprint::ABI;
use super::root::{TunablesRecord, VERSION};
use crate::tunables::{CpuTarget, Determinism, Interruption, OptLevel, Tunables};
use zerocopy::IntoBytes;
use zerocopy::little_endian::U64;

/// A string in a field of fixed size, padded with zeros.
///
/// # Errors
///
/// When it does not fit, or contains a zero.
pub(super) fn pad<const N: usize>(field: &str, text: &str) -> Result<[u8; N], ArtifactError> {
    if text.len() > N || text.contains('\0') {
        let what = format!("the {field} {text:?} does not fit {N} bytes");
        return Err(ArtifactError::Encode { what });
    }
    let mut padded = [0; N];
    padded[..text.len()].copy_from_slice(text.as_bytes());
    Ok(padded)
}

/// The string in a field of fixed size.
///
/// # Errors
///
/// When it is no string with zeros behind it.
pub(super) fn text<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, ArtifactError> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = core::str::from_utf8(&bytes[..end]).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| strange(field, format!("{:02x?}", &bytes[..end]), "text"))
}

fn strange(field: &'static str, found: String, expected: &str) -> ArtifactError {
    ArtifactError::Field { field, found, expected: expected.to_owned() }
}

/// The record of these choices.
pub(super) fn encode(tunables: &Tunables) -> Result<TunablesRecord, ArtifactError> {
    // Named one by one, so that a new choice does not compile until it has a place here.
    let Tunables {
        memory32_reservation,
        memory64_reservation,
        memory_guard,
        table_room,
        explicit_bounds,
        explicit_growth,
        speculation_guards,
        interruption,
        determinism,
        opt_level,
        cpu,
    } = tunables;
    let (cpu, cpu_name) = match cpu {
        CpuTarget::Baseline => (0, ""),
        CpuTarget::Native => (1, ""),
        CpuTarget::Named(name) => (2, name.as_str()),
    };
    Ok(TunablesRecord {
        memory32_reservation: U64::new(*memory32_reservation),
        memory64_reservation: U64::new(*memory64_reservation),
        memory_guard: U64::new(*memory_guard),
        table_room: U64::new(*table_room),
        explicit_bounds: u8::from(*explicit_bounds),
        speculation_guards: u8::from(*speculation_guards),
        interruption: match interruption {
            Interruption::None => 0,
            Interruption::Poll => 1,
            Interruption::Fuel => 2,
        },
        determinism: match determinism {
            Determinism::Relaxed => 0,
            Determinism::Strict => 1,
        },
        opt_level: match opt_level {
            OptLevel::None => 0,
            OptLevel::Speed => 1,
        },
        cpu,
        explicit_growth: u8::from(*explicit_growth),
        zero: [0],
        cpu_name: pad("name of the CPU", cpu_name)?,
    })
}

/// The choices in a record.
pub(super) fn decode(record: &TunablesRecord) -> Result<Tunables, ArtifactError> {
    let name = text("CPU", &record.cpu_name)?;
    Ok(Tunables {
        memory32_reservation: record.memory32_reservation.get(),
        memory64_reservation: record.memory64_reservation.get(),
        memory_guard: record.memory_guard.get(),
        table_room: record.table_room.get(),
        explicit_bounds: choice("explicit bounds", record.explicit_bounds, &[false, true])?,
        explicit_growth: choice("explicit bounds of growing memories", record.explicit_growth, &[false, true])?,
        speculation_guards: choice("speculation guards", record.speculation_guards, &[false, true])?,
        interruption: choice(
            "interruption",
            record.interruption,
            &[Interruption::None, Interruption::Poll, Interruption::Fuel],
        )?,
        determinism: choice("determinism", record.determinism, &[Determinism::Relaxed, Determinism::Strict])?,
        opt_level: choice("optimization level", record.opt_level, &[OptLevel::None, OptLevel::Speed])?,
        cpu: choice("CPU", record.cpu, &[CpuTarget::Baseline, CpuTarget::Native, CpuTarget::Named(name.to_owned())])?,
    })
}

fn choice<T: Clone>(field: &'static str, number: u8, choices: &[T]) -> Result<T, ArtifactError> {
    let known = choices.get(usize::from(number)).cloned();
    known.ok_or_else(|| strange(field, format!("choice {number}"), &format!("one of {}", choices.len())))
}

/// A hash of all that decides what an artifact will be: the format and the contract, who compiles, from what,
/// under which choices, for which CPU.
///
/// # Errors
///
/// When the choices do not fit the format.
pub fn cache_key(
    producer: &str,
    source: &[u8; 32],
    tunables: &Tunables,
    isa: IsaFlags,
) -> Result<[u8; 32], ArtifactError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&VERSION.to_le_bytes());
    hasher.update(&ABI.to_le_bytes());
    hasher.update(source);
    hasher.update(encode(tunables)?.as_bytes());
    hasher.update(&isa.bits().to_le_bytes());
    // Last, as it has no fixed length.
    hasher.update(producer.as_bytes());
    Ok(*hasher.finalize().as_bytes())
}

/// Errors unless code of these choices is what others ask for, naming the first that differs. Explicit bounds are as
/// good where nobody asked for them.
pub(super) fn compare(found: &Tunables, expected: &Tunables) -> Result<(), ArtifactError> {
    let Tunables {
        memory32_reservation,
        memory64_reservation,
        memory_guard,
        table_room,
        explicit_bounds,
        explicit_growth: _,
        speculation_guards,
        interruption,
        determinism,
        opt_level,
        cpu,
    } = expected;
    ArtifactError::same("reservation of 32-bit memories", found.memory32_reservation, *memory32_reservation)?;
    ArtifactError::same("reservation of 64-bit memories", found.memory64_reservation, *memory64_reservation)?;
    ArtifactError::same("guard of memories", found.memory_guard, *memory_guard)?;
    ArtifactError::same("room of growable tables", found.table_room, *table_room)?;
    ArtifactError::same("explicit bounds", found.explicit_bounds || !explicit_bounds, true)?;
    ArtifactError::same("speculation guards", found.speculation_guards, *speculation_guards)?;
    ArtifactError::same("interruption", found.interruption, *interruption)?;
    ArtifactError::same("determinism", found.determinism, *determinism)?;
    ArtifactError::same("optimization level", found.opt_level, *opt_level)?;
    ArtifactError::same("CPU", &found.cpu, cpu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tunables() -> impl Strategy<Value = Tunables> {
        let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
        let flags =
            (any::<[bool; 2]>(), any::<bool>(), 0u8..3, any::<bool>(), any::<bool>(), 0u8..3, "[a-z0-9-]{1,32}");
        (numbers, flags).prop_map(|(n, (explicit, speculation_guards, stop, strict, speed, cpu, name))| Tunables {
            memory32_reservation: n.0,
            memory64_reservation: n.1,
            memory_guard: n.2,
            table_room: n.3,
            explicit_bounds: explicit[0],
            explicit_growth: explicit[1],
            speculation_guards,
            interruption: [Interruption::None, Interruption::Poll, Interruption::Fuel][usize::from(stop)],
            determinism: if strict { Determinism::Strict } else { Determinism::Relaxed },
            opt_level: if speed { OptLevel::Speed } else { OptLevel::None },
            cpu: match cpu {
                0 => CpuTarget::Baseline,
                1 => CpuTarget::Native,
                _ => CpuTarget::Named(name),
            },
        })
    }

    proptest! {
        #[test]
        fn choices_are_read_as_written(tunables in tunables()) {
            let record = encode(&tunables).expect("fits");
            prop_assert_eq!(decode(&record).expect("valid"), tunables);
        }

        #[test]
        fn only_equal_choices_compare_equal(a in tunables(), b in tunables()) {
            prop_assert!(compare(&a, &a).is_ok());
            prop_assert_eq!(compare(&a, &b).is_ok(), a == b);
        }

        #[test]
        fn explicit_bounds_are_more_than_none(a in tunables()) {
            let bounds = |explicit_bounds, explicit_growth| Tunables { explicit_bounds, explicit_growth, ..a.clone() };
            for growth in [false, true] {
                prop_assert!(compare(&bounds(true, growth), &bounds(false, !growth)).is_ok());
                prop_assert!(compare(&bounds(false, growth), &bounds(true, !growth)).is_err());
            }
        }
    }

    #[test]
    fn a_difference_is_named_with_both_values() {
        let found = Tunables { interruption: Interruption::Fuel, ..Tunables::default() };
        let error = compare(&found, &Tunables::default()).expect_err("differs");
        assert_eq!(error.to_string(), "the artifact's interruption is Fuel, expected None");
    }

    #[test]
    fn a_choice_that_nobody_knows_is_refused() {
        let mut record = encode(&Tunables::default()).expect("fits");
        record.determinism = 7;
        let error = decode(&record).expect_err("unknown");
        assert_eq!(error.to_string(), "the artifact's determinism is choice 7, expected one of 2");
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        assert!(pad::<4>("name", "abcd").is_ok());
        assert!(pad::<4>("name", "abcde").is_err());
        assert!(pad::<4>("name", "a\0b").is_err());
    }
}
