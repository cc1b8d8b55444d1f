//! Instruction set extensions: which ones code uses, and whether this machine has them.

use bitflags::bitflags;

macro_rules! isa {
    ($(#[doc = $doc:literal] $flag:ident = $bit:literal, $name:literal, $feature:tt;)*) => {
        bitflags! {
            /// Extensions of x86-64 that compiled code may use.
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
            pub struct IsaFlags: u64 {
                $(#[doc = $doc] const $flag = 1 << $bit;)*
            }
        }

        /// Flag, name as the code generator has it, question to the machine.
        const KNOWN: &[(IsaFlags, &str, fn() -> bool)] = &[
            $((IsaFlags::$flag, $name, || std::is_x86_feature_detected!($feature)),)*
        ];
    };
}

isa! {
    /// SSE3.
    SSE3 = 0, "sse3", "sse3";
    /// SSSE3.
    SSSE3 = 1, "ssse3", "ssse3";
    /// CMPXCHG16B.
    CMPXCHG16B = 2, "cmpxchg16b", "cmpxchg16b";
    /// SSE4.1.
    SSE41 = 3, "sse41", "sse4.1";
    /// SSE4.2.
    SSE42 = 4, "sse42", "sse4.2";
    /// POPCNT.
    POPCNT = 5, "popcnt", "popcnt";
    /// AVX.
    AVX = 6, "avx", "avx";
    /// AVX2.
    AVX2 = 7, "avx2", "avx2";
    /// FMA.
    FMA = 8, "fma", "fma";
    /// BMI1.
    BMI1 = 9, "bmi1", "bmi1";
    /// BMI2.
    BMI2 = 10, "bmi2", "bmi2";
    /// LZCNT.
    LZCNT = 11, "lzcnt", "lzcnt";
    /// AVX-512 Foundation.
    AVX512F = 12, "avx512f", "avx512f";
    /// AVX-512 DQ.
    AVX512DQ = 13, "avx512dq", "avx512dq";
    /// AVX-512 VL.
    AVX512VL = 14, "avx512vl", "avx512vl";
    /// AVX-512 VBMI.
    AVX512VBMI = 15, "avx512vbmi", "avx512vbmi";
    /// AVX-512 BITALG.
    AVX512BITALG = 16, "avx512bitalg", "avx512bitalg";
    /// AVX-512 VNNI.
    AVX512VNNI = 17, "avx512vnni", "avx512vnni";
    /// AVX-VNNI.
    AVX_VNNI = 18, "avx_vnni", "avxvnni";
}

impl IsaFlags {
    /// The flag for a setting of the code generator, such as `has_avx2`; `None` for one that is not known,
    /// which the caller must not ignore when the setting is on.
    pub fn from_setting(name: &str) -> Option<IsaFlags> {
        let name = name.strip_prefix("has_")?;
        KNOWN.iter().find(|(_, known, _)| *known == name).map(|(flag, ..)| *flag)
    }

    /// Those flags of this set that this machine does not have, unknown ones included.
    pub fn missing_here(self) -> IsaFlags {
        let present = |(flag, _, detect): &&(IsaFlags, &str, fn() -> bool)| self.contains(*flag) && detect();
        KNOWN.iter().filter(present).fold(self, |missing, (flag, ..)| missing - *flag)
    }

    /// Their names, separated by a comma; unknown ones by their bit.
    pub fn names(self) -> String {
        let known = KNOWN.iter().filter(|(flag, ..)| self.contains(*flag)).map(|(_, name, _)| (*name).to_owned());
        let strange = self.bits() & !IsaFlags::all().bits();
        let unknown = (0..64).filter(|bit| strange >> bit & 1 == 1).map(|bit| format!("bit {bit}"));
        known.chain(unknown).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_known_by_the_generators_names() {
        assert_eq!(IsaFlags::from_setting("has_sse41"), Some(IsaFlags::SSE41));
        assert_eq!(IsaFlags::from_setting("has_avx512bitalg"), Some(IsaFlags::AVX512BITALG));
        assert_eq!(IsaFlags::from_setting("has_avx10"), None);
        assert_eq!(IsaFlags::from_setting("sse41"), None);
    }

    #[test]
    fn a_flag_that_nobody_knows_is_missing_on_every_machine() {
        let strange = IsaFlags::from_bits_retain(1 << 40);
        let missing = (IsaFlags::SSE3 | strange).missing_here();
        assert_eq!(missing, strange, "every machine that runs this has SSE3");
        assert_eq!((IsaFlags::AVX2 | strange).names(), "avx2, bit 40");
    }
}
