//! Preview 1's error numbers, and what they are said for.

use super::Fault;
use crate::host::Error;
use rustix::io::Errno as Os;

macro_rules! errnos {
    ($($number:literal $name:ident $os:ident $doc:literal;)*) => {
        /// An error number of preview 1.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[repr(u16)]
        pub enum Errno {
            $(#[doc = $doc] #[error($doc)] $name = $number,)*
            /// The descriptor lacks the right.
            #[error("the descriptor lacks the right")]
            NotCapable = 76,
        }

        impl From<Os> for Errno {
            /// Numbers that preview 1 has no name for are input/output errors.
            fn from(errno: Os) -> Self {
                match errno {
                    $(Os::$os => Self::$name,)*
                    _ => Self::Io,
                }
            }
        }
    };
}

errnos! {
    1 TooBig TOOBIG "an argument list is too long";
    2 Acces ACCESS "permission is denied";
    3 AddrInUse ADDRINUSE "the address is in use";
    4 AddrNotAvail ADDRNOTAVAIL "the address is not available";
    5 AfNoSupport AFNOSUPPORT "the address family is not supported";
    6 Again AGAIN "the operation would block";
    7 Already ALREADY "the connection is already being made";
    8 Badf BADF "this is not a descriptor that can do that";
    9 BadMsg BADMSG "the message is malformed";
    10 Busy BUSY "the resource is busy";
    11 Canceled CANCELED "the operation was cancelled";
    12 Child CHILD "there is no child process";
    13 ConnAborted CONNABORTED "the connection was aborted";
    14 ConnRefused CONNREFUSED "the connection was refused";
    15 ConnReset CONNRESET "the connection was reset";
    16 Deadlk DEADLK "this would be a deadlock";
    17 DestAddrReq DESTADDRREQ "a destination address is needed";
    18 Dom DOM "the argument is outside the function's domain";
    19 Dquot DQUOT "the disk quota is used up";
    20 Exist EXIST "the file exists";
    21 Fault FAULT "the address is outside the memory";
    22 Fbig FBIG "the file is too large";
    23 HostUnreach HOSTUNREACH "the host is unreachable";
    24 Idrm IDRM "the identifier was removed";
    25 Ilseq ILSEQ "the bytes are not UTF-8";
    26 InProgress INPROGRESS "the operation is in progress";
    27 Intr INTR "the operation was interrupted";
    28 Inval INVAL "the argument is invalid";
    29 Io IO "input or output failed";
    30 IsConn ISCONN "the socket is connected";
    31 IsDir ISDIR "this is a directory";
    32 Loop LOOP "there are too many symbolic links";
    33 Mfile MFILE "too many descriptors are open";
    34 Mlink MLINK "the file has too many names";
    35 MsgSize MSGSIZE "the message is too long";
    36 Multihop MULTIHOP "this is reserved";
    37 NameTooLong NAMETOOLONG "the name is too long";
    38 NetDown NETDOWN "the network is down";
    39 NetReset NETRESET "the network dropped the connection";
    40 NetUnreach NETUNREACH "the network is unreachable";
    41 Nfile NFILE "the system has too many files open";
    42 NoBufs NOBUFS "there is no room for buffers";
    43 NoDev NODEV "there is no such device";
    44 NoEnt NOENT "there is no such file or directory";
    45 NoExec NOEXEC "this cannot be executed";
    46 NoLck NOLCK "no lock is available";
    47 NoLink NOLINK "the link was severed";
    48 NoMem NOMEM "memory is exhausted";
    49 NoMsg NOMSG "there is no such message";
    50 NoProtoOpt NOPROTOOPT "the protocol is not available";
    51 NoSpc NOSPC "there is no room left on the device";
    52 NoSys NOSYS "the function is not implemented";
    53 NotConn NOTCONN "the socket is not connected";
    54 NotDir NOTDIR "this is not a directory";
    55 NotEmpty NOTEMPTY "the directory is not empty";
    56 NotRecoverable NOTRECOVERABLE "the state cannot be recovered";
    57 NotSock NOTSOCK "this is not a socket";
    58 NotSup NOTSUP "this is not supported";
    59 NotTy NOTTY "this is not a terminal";
    60 Nxio NXIO "there is no such device or address";
    61 Overflow OVERFLOW "the value is too large";
    62 OwnerDead OWNERDEAD "the previous owner died";
    63 Perm PERM "this is not permitted";
    64 Pipe PIPE "the pipe is broken";
    65 Proto PROTO "the protocol was violated";
    66 ProtoNoSupport PROTONOSUPPORT "the protocol is not supported";
    67 Prototype PROTOTYPE "the protocol is of the wrong type for the socket";
    68 Range RANGE "the result is too large";
    69 Rofs ROFS "the file system is read-only";
    70 Spipe SPIPE "this cannot be positioned";
    71 Srch SRCH "there is no such process";
    72 Stale STALE "the file handle is stale";
    73 TimedOut TIMEDOUT "the time is up";
    74 TxtBsy TXTBSY "the program file is busy";
    75 Xdev XDEV "this would link across devices";
}

impl Errno {
    /// The number a guest sees. Success, which is no error, is 0.
    pub fn number(self) -> u16 {
        self as u16
    }
}

impl From<Error> for Errno {
    fn from(error: Error) -> Self {
        match error {
            Error::Escape | Error::NotPermitted => Self::Perm,
            Error::WouldBlock => Self::Again,
            Error::Os(errno) => errno.into(),
        }
    }
}

impl From<Fault> for Errno {
    fn from(_: Fault) -> Self {
        Self::Fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_specification_s() {
        let cases = [(Errno::TooBig, 1), (Errno::Badf, 8), (Errno::Inval, 28), (Errno::NoEnt, 44), (Errno::Xdev, 75)];
        for (errno, number) in cases {
            assert_eq!(errno.number(), number);
        }
        assert_eq!(Errno::NotCapable.number(), 76);
    }

    #[test]
    fn host_errors_have_numbers() {
        assert_eq!(Errno::from(Error::Escape), Errno::Perm);
        assert_eq!(Errno::from(Error::Os(Os::NOTDIR)), Errno::NotDir);
        assert_eq!(Errno::from(Error::Os(Os::UCLEAN)), Errno::Io);
    }
}
