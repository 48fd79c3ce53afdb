//! A connection's task: open it, read it, open the next.
//!
//! What it is: a loop for each connection of a worker. Kept ones are opened at the beginning and
//! again when they end; fresh ones are opened for a request and end with it. Shape: methods of
//! [`Worker`] that await. Units: nanoseconds. Errors: a [`Cause`]; an address that refuses is
//! asked again after a pause that doubles. Source: connect(2) for the causes.

use std::{rc::Rc, sync::Arc, task::Poll};

use tidegate_edge::{
    base::time::Mono,
    exec::{RecvEnd, connect},
    net::{conn::Conn, tls::session::TlsSession},
    ring::{Errno, Transport},
};

use crate::{
    recorder::Cause,
    worker::{LinkEnd, Worker, whole},
};

/// The first pause behind a connection that could not be made, and the longest.
const PAUSE_MS: u64 = 10;
const PAUSE_MAX_MS: u64 = 1000;

impl Worker {
    /// The task of connection `index`.
    pub(crate) async fn serve(self: Rc<Self>, index: usize) {
        self.links[index].borrow_mut().task = Some(self.core.current());
        self.wait_for_turn(index).await;
        let mut pause_ms = PAUSE_MS;
        let mut is_first = true;
        loop {
            if self.plan.fresh {
                self.wait_for_job(index).await;
            }
            if self.over.get() {
                return;
            }
            let opened = self.open().await;
            if std::mem::replace(&mut is_first, false) {
                self.tried.set(self.tried.get() + 1);
                self.opened
                    .set(self.opened.get() + usize::from(opened.is_ok()));
            }
            match opened {
                Ok(conn) => {
                    pause_ms = PAUSE_MS;
                    self.install(index, conn);
                    let end = std::future::poll_fn(|_| self.poll_link(index)).await;
                    if matches!(end, LinkEnd::Over) {
                        return;
                    }
                    let mut link = self.links[index].borrow_mut();
                    self.clear(&mut link, &end);
                }
                Err(cause) => {
                    self.refuse(index, cause);
                    if !self.plan.fresh {
                        let until = self.core.now().plus_ms(pause_ms);
                        self.core
                            .wait_for(until, || self.over.get().then_some(()))
                            .await;
                        pause_ms = (pause_ms * 2).min(PAUSE_MAX_MS);
                    }
                }
            }
        }
    }

    /// Clients come one after the other when a rate of connections was asked for.
    async fn wait_for_turn(&self, index: usize) {
        if self.plan.connects_per_s > 0.0 {
            let place = (index * self.plan.workers() + self.index) as f64;
            let wait_ns = whole(place * 1e9 / self.plan.connects_per_s);
            self.core
                .sleep_until(self.core.now().plus_ns(wait_ns))
                .await;
        }
    }

    async fn wait_for_job(&self, index: usize) {
        self.offer_place(index);
        std::future::poll_fn(|_| {
            let has_job = self.links[index].borrow().assigned.is_some();
            if has_job || self.over.get() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    async fn open(&self) -> Result<Conn, Cause> {
        let deadline = self.core.now().plus_ns(self.plan.timeout_ns);
        let target = &self.plan.target;
        let opened = connect(&self.core, target.address, Transport::Stream, deadline).await;
        let stream = opened.map_err(connect_cause)?;
        let Some(tls) = &target.tls else {
            return Ok(Conn::plain(stream));
        };
        let session = TlsSession::client(Arc::clone(&tls.config), tls.name.clone());
        let mut conn = Conn::over(stream, session.map_err(|_| Cause::Tls)?);
        match conn.handshake(deadline).await {
            Ok(()) => Ok(conn),
            Err(RecvEnd::Timeout) => Err(Cause::Timeout),
            Err(_) => Err(Cause::Tls),
        }
    }

    /// The connection stands: its request leaves, or it takes what waits.
    fn install(&self, index: usize, conn: Conn) {
        let mut state = self.state.borrow_mut();
        let mut link = self.links[index].borrow_mut();
        let resumed = conn.tls().is_some_and(TlsSession::resumed);
        let counts = state.recorder.counts();
        counts.connects += 1;
        counts.resumed += u64::from(resumed);
        link.conn = Some(conn);
        match link.assigned.take() {
            Some(job) => self.transmit(&mut state, &mut link, job, self.core.now()),
            None => self.refill(&mut state, &mut link, index),
        }
    }

    fn refuse(&self, index: usize, cause: Cause) {
        self.refused.set(Some(cause));
        let mut link = self.links[index].borrow_mut();
        if link.assigned.is_some() {
            self.fail_all(&mut link, cause);
        } else {
            self.state.borrow_mut().recorder.counts().connects_failed += 1;
        }
    }

    /// Reads until the connection is of no more use.
    fn poll_link(&self, index: usize) -> Poll<LinkEnd> {
        let mut link = self.links[index].borrow_mut();
        loop {
            if self.over.get() {
                return Poll::Ready(LinkEnd::Over);
            }
            if let Some(cause) = link.doomed.take() {
                return Poll::Ready(LinkEnd::Failed(cause));
            }
            let Some(conn) = &mut link.conn else {
                return Poll::Ready(LinkEnd::Finished);
            };
            match conn.poll_recv_until(Mono::FAR) {
                Poll::Ready(Ok(bytes)) => {
                    if let Some(end) = self.receive(&mut link, index, &bytes) {
                        return Poll::Ready(end);
                    }
                }
                Poll::Ready(Err(RecvEnd::Closed)) => return Poll::Ready(self.ended(&mut link)),
                Poll::Ready(Err(RecvEnd::Failed(_) | RecvEnd::Timeout)) => {
                    let is_idle = !link.is_flying();
                    return Poll::Ready(if is_idle {
                        LinkEnd::Finished
                    } else {
                        LinkEnd::Failed(Cause::Reset)
                    });
                }
                Poll::Pending => {
                    let Some(at) = link.resume_at else {
                        return Poll::Pending;
                    };
                    if at > self.core.now() {
                        self.core.wake_at(at);
                        return Poll::Pending;
                    }
                    let mut state = self.state.borrow_mut();
                    self.refill(&mut state, &mut link, index);
                    if link.resume_at == Some(at) {
                        return Poll::Pending; // the load has ended
                    }
                }
            }
        }
    }
}

fn connect_cause(errno: Errno) -> Cause {
    match errno {
        Errno::TIMED_OUT => Cause::Timeout,
        Errno::NO_FILES => Cause::Files,
        Errno::NO_PORTS => Cause::Ports,
        Errno::NO_BUFFERS => Cause::Buffers,
        _ => Cause::Connect,
    }
}
