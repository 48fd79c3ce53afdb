//! Asks the kernel, by doing it, whether the loop can stand on its io_uring.
//!
//! Shape: [`probe`] makes a ring as the cores make theirs, runs a no-op, a multishot accept, a
//! multishot receive from a provided buffer ring and a message between two rings, and returns
//! [`Capabilities`]. Units: bytes for memory, one second per wait. Errors: [`Refusal`], one
//! variant per cure; nothing here panics on what a kernel answers.
//! Source: io_uring_setup(2), io_uring_register(2); RLIMIT_MEMLOCK in setrlimit(2).

mod refusal;

pub use refusal::{Evidence, KERNEL_FLOOR, Kernel, Refusal, SECCOMP_PROFILE, classify};

use io_uring::{IoUring, cqueue, opcode, register::Probe as OpcodeProbe, squeue, types};
use std::{
    fs, io,
    os::fd::AsRawFd,
    os::linux::net::SocketAddrExt,
    os::unix::net::{SocketAddr, UnixListener, UnixStream},
};

/// How large the rings of one core are; what is asked for decides the memory they lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingSize {
    /// Entries of the submission queue, a power of two.
    pub submissions: u32,
    /// Entries of the completion queue, a power of two.
    pub completions: u32,
    /// Entries of the provided buffer ring, a power of two.
    pub buffers: u32,
    /// Cores, each with such a ring.
    pub cores: u32,
}

/// What this kernel can do beyond the floor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// The running release as `uname -r` prints it.
    pub release: String,
    /// Zero-copy send (6.0) is known.
    pub send_zc: bool,
    /// Several buffers per send or receive (6.10).
    pub bundles: bool,
    /// A wait with a smallest time as well as a largest (6.12).
    pub min_timeout: bool,
    /// Entries the kernel gave for what was asked.
    pub completions: u32,
}

/// The operations the loop cannot do without.
const OPCODES: &[(&str, u8)] = &[
    ("NOP", opcode::Nop::CODE),
    ("ACCEPT", opcode::Accept::CODE),
    ("CONNECT", opcode::Connect::CODE),
    ("SOCKET", opcode::Socket::CODE),
    ("RECV", opcode::Recv::CODE),
    ("SEND", opcode::Send::CODE),
    ("RECVMSG", opcode::RecvMsg::CODE),
    ("SENDMSG", opcode::SendMsg::CODE),
    ("POLL_ADD", opcode::PollAdd::CODE),
    ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
    ("SHUTDOWN", opcode::Shutdown::CODE),
    ("CLOSE", opcode::Close::CODE),
    ("MSG_RING", opcode::MsgRingData::CODE),
];

/// Bytes of one buffer of the probe's buffer ring, and how many there are.
const PROBE_BUFFER_BYTES: usize = 64;
const PROBE_BUFFERS: u16 = 4;
const PROBE_GROUP: u16 = 0;
/// What the kernel rounds ring memory to; hosts with larger pages need a little more.
const PAGE_BYTES: u64 = 4096;
const NOTE: &[u8] = b"tidegate";

/// Marks of the probe's operations in `user_data`.
const NOP: u64 = 1;
const ACCEPT: u64 = 2;
const RECV: u64 = 3;
const SENT: u64 = 4;
const MAIL: u64 = 5;

/// Makes a ring of this size as a core would and runs on it what the loop stands on.
///
/// # Errors
/// The first thing refused, as the row of the table that names its cause and cure.
pub fn probe(size: RingSize) -> Result<Capabilities, Refusal> {
    attempt(size).map_err(|fault| match fault {
        Fault::Refused(step, error) => classify(&evidence(step, &error, size)),
        Fault::Lacks(what) => Refusal::KernelTooOld {
            release: release(),
            lacks: what,
        },
    })
}

impl RingSize {
    /// What the loop takes unless told otherwise.
    pub const DEFAULT: RingSize = RingSize {
        submissions: 1024,
        completions: 8192,
        buffers: 1024,
        cores: 1,
    };

    /// Memory the rings lock: what an unprivileged user needs as RLIMIT_MEMLOCK.
    #[must_use]
    pub fn memlock_bytes(&self) -> u64 {
        const SQE_BYTES: u64 = 64;
        const CQE_BYTES: u64 = 16;
        const SQ_INDEX_BYTES: u64 = 4;
        const HEAD_BYTES: u64 = 64 * 4;
        const BUFFER_ENTRY_BYTES: u64 = 16;
        let pages = |bytes: u64| bytes.div_ceil(PAGE_BYTES).saturating_mul(PAGE_BYTES);
        let entries = pages(SQE_BYTES.saturating_mul(self.submissions.into()));
        let rings = pages(
            CQE_BYTES
                .saturating_mul(self.completions.into())
                .saturating_add(SQ_INDEX_BYTES.saturating_mul(self.submissions.into()))
                .saturating_add(HEAD_BYTES),
        );
        let buffers = pages(BUFFER_ENTRY_BYTES.saturating_mul(self.buffers.into()));
        entries
            .saturating_add(rings)
            .saturating_add(buffers)
            .saturating_mul(self.cores.into())
    }
}

/// Whether the wall clock is disciplined by time synchronization; `None` when nobody can say.
#[must_use]
pub fn clock_synchronized() -> Option<bool> {
    // SAFETY: `timex` is plain integers; all zero is a valid request that only reads (modes 0).
    let mut request: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, writable `timex` for the length of the call.
    let state = unsafe { libc::adjtimex(&raw mut request) };
    (state >= 0).then_some(state != libc::TIME_ERROR && request.status & libc::STA_UNSYNC == 0)
}

/// A step that failed: with the kernel's answer, or because it is not known at all.
enum Fault {
    Refused(&'static str, io::Error),
    Lacks(String),
}

/// Names the step in front of the kernel's answer.
fn at(step: &'static str) -> impl Fn(io::Error) -> Fault {
    move |error| Fault::Refused(step, error)
}

fn attempt(size: RingSize) -> Result<Capabilities, Fault> {
    let setup = "io_uring_setup with SINGLE_ISSUER, DEFER_TASKRUN and CQSIZE";
    let mut ring = make(size.submissions, size.completions).map_err(at(setup))?;
    let params = ring.params();
    if !params.is_feature_ext_arg() || !params.is_feature_nodrop() || !params.is_feature_fast_poll()
    {
        return Err(Fault::Lacks(
            "the features EXT_ARG, NODROP and FAST_POLL".into(),
        ));
    }
    let mut capabilities = Capabilities {
        release: release(),
        send_zc: false,
        bundles: params.is_feature_recvsend_bundle(),
        min_timeout: params.is_feature_min_timeout(),
        completions: params.cq_entries(),
    };
    let mut known = OpcodeProbe::new();
    ring.submitter()
        .register_probe(&mut known)
        .map_err(at("IORING_REGISTER_PROBE"))?;
    let missing: Vec<&str> = OPCODES
        .iter()
        .filter(|(_, code)| !known.is_supported(*code))
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() {
        return Err(Fault::Lacks(format!(
            "the operations {}",
            missing.join(", ")
        )));
    }
    capabilities.send_zc = known.is_supported(opcode::SendZc::CODE);
    submit_nop(&mut ring).map_err(at("a no-op on the ring"))?;
    accept_and_receive(&mut ring)?;
    message_rings(&mut ring).map_err(at("a message between two rings (MSG_RING)"))?;
    Ok(capabilities)
}

fn make(submissions: u32, completions: u32) -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(completions)
        .build(submissions)
}

/// Submits `entry`. Its memory must stay until its last completion.
///
/// # Safety
/// Whatever `entry` points to must outlive the operation.
unsafe fn push(ring: &mut IoUring, entry: &squeue::Entry) -> io::Result<()> {
    // SAFETY: the caller keeps the memory; the queue has room, as the probe pushes one at a time.
    unsafe { ring.submission().push(entry) }.map_err(|_| io::Error::from_raw_os_error(libc::EBUSY))
}

/// Submits and waits up to a second for the completion marked `mark`, then returns it.
fn await_completion(ring: &mut IoUring, mark: u64) -> io::Result<cqueue::Entry> {
    let second = types::Timespec::new().sec(1);
    let wait = types::SubmitArgs::new().timespec(&second);
    // Each wait yields one completion or times out, and the probe has fewer than this in flight.
    for _ in 0..8 {
        if let Some(entry) = ring.completion().find(|entry| entry.user_data() == mark) {
            if entry.result() < 0 {
                return Err(io::Error::from_raw_os_error(-entry.result()));
            }
            return Ok(entry);
        }
        ring.submitter().submit_with_args(1, &wait)?;
    }
    Err(io::Error::from_raw_os_error(libc::ETIME))
}

fn submit_nop(ring: &mut IoUring) -> io::Result<()> {
    // SAFETY: a no-op points nowhere.
    unsafe { push(ring, &opcode::Nop::new().build().user_data(NOP)) }?;
    await_completion(ring, NOP).map(|_| ())
}

/// One connection through a multishot accept, one note through a multishot receive.
fn accept_and_receive(ring: &mut IoUring) -> Result<(), Fault> {
    let sockets = at("a local socket for the probe");
    // The address is abstract and names this process, so that two probes do not meet.
    let name = format!("tidegate-probe-{}-{:p}", std::process::id(), ring);
    let address = SocketAddr::from_abstract_name(name).map_err(&sockets)?;
    let listener = UnixListener::bind_addr(&address).map_err(&sockets)?;
    let peer = UnixStream::connect_addr(&address).map_err(&sockets)?;

    let step = at("a multishot accept");
    let accept = opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).build();
    // SAFETY: a multishot accept writes no address; the listener lives until the ring is cleared.
    unsafe { push(ring, &accept.user_data(ACCEPT)) }.map_err(&step)?;
    let accepted = await_completion(ring, ACCEPT).map_err(&step)?;
    // SAFETY: the kernel has just made this descriptor and nobody else holds it.
    let stream = unsafe { <UnixStream as std::os::fd::FromRawFd>::from_raw_fd(accepted.result()) };
    if !cqueue::more(accepted.flags()) {
        return Err(Fault::Lacks("multishot accept".into()));
    }

    io::Write::write_all(&mut &peer, NOTE).map_err(&sockets)?;
    let outcome = BufferRing::register(ring)
        .map_err(at("a provided buffer ring (IORING_REGISTER_PBUF_RING)"))
        .and_then(|buffers| {
            let received = receive(ring, &stream, &buffers);
            clear(ring, &buffers);
            received
        });
    drop((listener, stream, peer));
    outcome
}

fn receive(ring: &mut IoUring, stream: &UnixStream, buffers: &BufferRing) -> Result<(), Fault> {
    let step = at("a multishot receive from a provided buffer ring");
    let recv = opcode::RecvMulti::new(types::Fd(stream.as_raw_fd()), PROBE_GROUP).build();
    // SAFETY: the kernel writes into `buffers`, which the caller keeps until `clear` is done.
    unsafe { push(ring, &recv.user_data(RECV)) }.map_err(&step)?;
    let landed = await_completion(ring, RECV).map_err(&step)?;
    let chosen = cqueue::buffer_select(landed.flags());
    let whole = usize::try_from(landed.result()) == Ok(NOTE.len());
    let same = chosen.is_some_and(|id| buffers.starts_with(id, NOTE));
    if whole && same && cqueue::more(landed.flags()) {
        Ok(())
    } else {
        Err(Fault::Lacks("multishot receive".into()))
    }
}

/// Cancels what still flies and takes the buffer ring back from the kernel, in that order: from
/// then on nothing can write into the buffers, which the caller may drop.
fn clear(ring: &mut IoUring, _buffers: &BufferRing) {
    let second = types::Timespec::new().sec(1);
    let all = types::CancelBuilder::any();
    // A receive that outlives a failure here has no buffer group left and ends with ENOBUFS.
    let _ = ring.submitter().register_sync_cancel(Some(second), all);
    let _ = ring.submitter().unregister_buf_ring(PROBE_GROUP);
}

/// Sends a message from `ring` to a second ring, as cores do to each other.
fn message_rings(ring: &mut IoUring) -> io::Result<()> {
    let mut other = make(8, 16)?;
    let send = opcode::MsgRingData::new(types::Fd(other.as_raw_fd()), 0, MAIL, None).build();
    // SAFETY: the message is numbers; the other ring lives to the end of this function.
    unsafe { push(ring, &send.user_data(SENT)) }?;
    await_completion(ring, SENT)?;
    await_completion(&mut other, MAIL).map(|_| ())
}

/// A provided buffer ring with its buffers, in memory of its own.
struct BufferRing {
    /// One page, as the kernel wants: the entries, then at half the page the buffers.
    page: memmap2::MmapMut,
}

const _: () = assert!(PROBE_BUFFERS.is_power_of_two());
const _: () = assert!(PROBE_BUFFER_BYTES * (PROBE_BUFFERS as usize) <= BUFFERS_AT);
const BUFFERS_AT: usize = 2048;

impl BufferRing {
    fn register(ring: &IoUring) -> io::Result<BufferRing> {
        let mut page = memmap2::MmapMut::map_anon(2 * BUFFERS_AT)?;
        let base = page.as_mut_ptr();
        let entries = base.cast::<types::BufRingEntry>();
        for id in 0..PROBE_BUFFERS {
            // SAFETY: the entries fit below BUFFERS_AT and the page is ours alone so far; the
            // pointer arithmetic stays in the page by the assertions above.
            unsafe {
                let entry = &mut *entries.add(usize::from(id));
                let at = BUFFERS_AT + usize::from(id) * PROBE_BUFFER_BYTES;
                entry.set_addr(base.add(at) as u64);
                entry.set_len(u32::try_from(PROBE_BUFFER_BYTES).unwrap_or(0));
                entry.set_bid(id);
            }
        }
        // SAFETY: the page is mapped until the struct drops, after `clear` unregistered it.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                base as u64,
                PROBE_BUFFERS,
                PROBE_GROUP,
                0,
            )?;
            // Published last: the kernel reads entries below the tail only.
            let tail = types::BufRingEntry::tail(entries).cast_mut();
            std::sync::atomic::AtomicU16::from_ptr(tail)
                .store(PROBE_BUFFERS, std::sync::atomic::Ordering::Release);
        }
        Ok(BufferRing { page })
    }

    /// Whether buffer `id` begins with `bytes`. Only asked for buffers the kernel has filled.
    fn starts_with(&self, id: u16, bytes: &[u8]) -> bool {
        let at = BUFFERS_AT + usize::from(id) * PROBE_BUFFER_BYTES;
        self.page
            .get(at..)
            .is_some_and(|buffer| buffer.starts_with(bytes))
    }
}

/// Gathers what decides the row: the sysctls, the filter and the limits of this process.
fn evidence(step: &'static str, error: &io::Error, size: RingSize) -> Evidence {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let group = sysctl("kernel/io_uring_group").and_then(|text| text.parse().ok());
    Evidence {
        step,
        errno: error.raw_os_error().unwrap_or(0),
        sysctl: sysctl("kernel/io_uring_disabled").and_then(|text| text.parse().ok()),
        group,
        group_member: may_use_group(&status, group),
        seccomp: status_field(&status, "Seccomp").is_some_and(|mode| mode != "0"),
        release: release(),
        memlock_bytes: memlock_limit(&fs::read_to_string("/proc/self/limits").unwrap_or_default()),
        memlock_needed_bytes: size.memlock_bytes(),
    }
}

fn sysctl(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
    Some(text.trim().to_owned())
}

fn release() -> String {
    sysctl("kernel/osrelease").unwrap_or_else(|| "of unknown release".into())
}

/// Whether sysctl 1 lets this process through: CAP_SYS_ADMIN, or the group among its own.
fn may_use_group(status: &str, group: Option<i64>) -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    let capabilities = status_field(status, "CapEff")
        .and_then(|mask| u64::from_str_radix(mask, 16).ok())
        .unwrap_or(0);
    let groups = ["Gid", "Groups"]
        .into_iter()
        .filter_map(|field| status_field(status, field))
        .flat_map(str::split_whitespace)
        .filter_map(|id| id.parse::<i64>().ok())
        .collect::<Vec<_>>();
    capabilities & (1 << CAP_SYS_ADMIN) != 0 || group.is_some_and(|group| groups.contains(&group))
}

/// The value of `name:` in the text of /proc/self/status.
fn status_field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(field, _)| *field == name)
        .map(|(_, value)| value.trim())
}

/// The soft RLIMIT_MEMLOCK in the text of /proc/self/limits; `None` is unlimited.
fn memlock_limit(limits: &str) -> Option<u64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|soft| soft.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_answers_every_step() {
        // A host without a ring is a fair place to run the other tests; it must say why.
        match probe(RingSize::DEFAULT) {
            Ok(capabilities) => assert!(capabilities.completions >= RingSize::DEFAULT.completions),
            Err(refusal) => eprintln!("no ring here: {refusal}"),
        }
    }

    #[test]
    fn a_size_no_kernel_grants_is_refused_not_panicked() {
        let size = RingSize {
            submissions: 1 << 20,
            ..RingSize::DEFAULT
        };
        assert!(probe(size).is_err());
    }

    #[test]
    fn locked_memory_follows_the_sizes() {
        let rows = [
            // submissions, completions, buffers, cores, pages
            (1, 1, 1, 1, 3),
            (64, 128, 256, 1, 3),
            (1024, 8192, 1024, 1, 16 + 34 + 4),
            (1024, 8192, 1024, 4, 4 * 54),
        ];
        for (submissions, completions, buffers, cores, pages) in rows {
            let size = RingSize {
                submissions,
                completions,
                buffers,
                cores,
            };
            assert_eq!(size.memlock_bytes(), pages * PAGE_BYTES, "{size:?}");
        }
    }

    #[test]
    fn the_text_of_proc_is_read() {
        let status =
            "Name:\tx\nGid:\t5\t5\t5\t5\nGroups:\t7 991 \nCapEff:\t00000000\nSeccomp:\t2\n";
        assert_eq!(status_field(status, "Seccomp"), Some("2"));
        assert_eq!(status_field(status, "Seccomp_filters"), None);
        let rows = [
            (status.to_owned(), Some(991), true),
            (status.to_owned(), Some(5), true),
            (status.to_owned(), Some(8), false),
            (status.to_owned(), Some(-1), false),
            (status.replace("00000000", "00200000"), Some(-1), true),
        ];
        for (status, group, expected) in rows {
            assert_eq!(may_use_group(&status, group), expected, "{group:?}");
        }
        let limits = "Max locked memory         65536     8388608   bytes\n";
        assert_eq!(memlock_limit(limits), Some(65_536));
        assert_eq!(
            memlock_limit("Max locked memory  unlimited  unlimited  bytes"),
            None
        );
    }
}
