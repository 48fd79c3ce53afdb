//! What can be wrong with a message, and the status that says so.
//!
//! Shape: one enum for heads, one for bodies, one for writing; a name per cause, so that the log
//! tells them apart. Units: none. Ranges: statuses 400 to 505. Errors: these are the errors.
//! A fault on a client's connection always ends it; one of an origin means 502 and a dropped
//! connection. Source: RFC 9112 §2.2, §3, §6.3, §11; RFC 9110 §15.5, §15.6.

use thiserror::Error;

/// Why a head was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum HeadFault {
    #[error("a line ends in a bare LF, or a CR stands alone")]
    BareLineBreak,
    #[error("empty lines before the start line")]
    LeadingBlank,
    #[error("the start line is malformed")]
    StartLine,
    #[error("the version is malformed")]
    VersionMalformed,
    #[error("the version is not supported")]
    VersionUnsupported,
    #[error("the method is refused")]
    MethodRefused,
    #[error("the target is malformed")]
    Target,
    #[error("the target holds a malformed escape, an encoded NUL or overlong UTF-8")]
    TargetEscape,
    #[error("the path holds a dot segment")]
    TargetDotSegment,
    #[error("the target is too long")]
    TargetTooLong,
    #[error("the head is too large")]
    HeadTooLarge,
    #[error("too many header fields")]
    TooManyFields,
    #[error("a field name is malformed")]
    FieldName,
    #[error("a field value holds a control character")]
    FieldValue,
    #[error("a field name becomes a guarded one when `_` is read as `-`")]
    FieldDisguised,
    #[error("Host is missing")]
    HostMissing,
    #[error("Host is repeated")]
    HostRepeated,
    #[error("Host is malformed")]
    HostInvalid,
    #[error("the target's authority differs from Host")]
    HostMismatch,
    #[error("Content-Length is not a plain number")]
    ContentLengthInvalid,
    #[error("Content-Length is repeated")]
    ContentLengthRepeated,
    #[error("Content-Length and Transfer-Encoding together")]
    FramingConflict,
    #[error("Transfer-Encoding is not exactly one `chunked`")]
    TransferEncodingInvalid,
    #[error("an unknown transfer coding")]
    TransferCodingUnknown,
    #[error("Connection is malformed")]
    ConnectionInvalid,
    #[error("Connection names a field that must reach the origin")]
    ConnectionNamesGuarded,
    #[error("an expectation other than 100-continue")]
    ExpectUnknown,
    #[error("the status code is outside 100 to 599")]
    StatusCode,
    #[error("a switch of protocols that nobody asked for")]
    SwitchUnasked,
    #[error("the bytes are not one whole head")]
    NotWhole,
}

impl HeadFault {
    /// The status for the client who sent the head; its connection closes after it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            HeadFault::MethodRefused => 405,
            HeadFault::TargetTooLong => 414,
            HeadFault::ExpectUnknown => 417,
            HeadFault::HeadTooLarge | HeadFault::TooManyFields => 431,
            HeadFault::TransferCodingUnknown => 501,
            HeadFault::VersionUnsupported => 505,
            _ => 400,
        }
    }
}

/// Why a body was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum BodyFault {
    #[error("the body is larger than allowed")]
    TooLarge,
    #[error("the chunk size is malformed")]
    ChunkSize,
    #[error("a chunk extension is malformed")]
    ChunkExtension,
    #[error("chunk extensions are too long")]
    ChunkExtensionTooLong,
    #[error("no line end after a chunk's data")]
    ChunkEnd,
    #[error("a bare CR or LF")]
    BareLineBreak,
    #[error("a trailer is malformed")]
    Trailer,
    #[error("a trailer with a name that frames, routes or identifies")]
    TrailerGuarded,
    #[error("too many or too long trailers")]
    TrailersTooLarge,
    #[error("the connection ended inside the body")]
    Short,
}

impl BodyFault {
    /// The status for the client who sent the body; its connection closes after it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            BodyFault::TooLarge => 413,
            BodyFault::TrailersTooLarge => 431,
            _ => 400,
        }
    }
}

/// Why a head was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum WriteFault {
    #[error("the buffer is full")]
    Full,
    #[error("a name or value that cannot stand in a head")]
    Invalid,
}
