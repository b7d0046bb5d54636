//! Starts the sources of logs: at the start those whose names are known, later those that waited for theirs.
use super::{
    DaemonError, imports,
    plan::{News, Plan, Targets},
    received,
    wiring::Running,
};
use crate::{
    logs::{emf, fifo, files, journald, supervised, unified_log, windows_events},
    model::{Checkpoints, Intake, LaneWaker, Outlet, SourceId, Timestamp},
    platform::{
        self,
        logs::{has_journal, has_unified_log, has_windows_events},
    },
};
use futures_util::future::BoxFuture;
use std::sync::{Arc, mpsc as std_mpsc};
use tokio::sync::oneshot;

/// Bytes of stack for a thread that looks for log files.
const SCANNER_STACK: usize = 256 * 1024;

/// The daemon's end of the tail thread, which stops when this is dropped: whatever else could not be started.
pub struct Tail {
    wake: std_mpsc::Sender<files::Wake>,
    roster: files::Roster,
}

impl Drop for Tail {
    fn drop(&mut self) {
        // The thread may have ended already.
        let _ = self.wake.send(files::Wake::Stop);
    }
}

impl Running {
    /// Start the sources whose targets these are.
    pub fn start_logs(&mut self, plan: &Plan, targets: &Targets<'_>) -> Result<(), DaemonError> {
        let outlet = self.outlet.clone();
        let checkpoints: Arc<dyn Checkpoints> = self.positions.clone();
        self.start_system_logs(plan, targets, &outlet, &checkpoints);
        self.start_received(targets);
        self.start_files(plan, targets, outlet, checkpoints)
    }

    /// Files have one tail thread, which takes more of them while it runs: what is true of all of them (a file is read
    /// once, so many are open, which saved position is whose) one tailer has to know.
    fn start_files(
        &mut self,
        plan: &Plan,
        targets: &Targets<'_>,
        outlet: Arc<dyn Outlet>,
        checkpoints: Arc<dyn Checkpoints>,
    ) -> Result<(), DaemonError> {
        let avoid = self.avoid(plan);
        let regular = targets.files.iter().filter(|(item, _)| !self.pipes.contains(&item.at));
        let watches: Vec<_> = regular
            .filter(|(item, _)| avoid.allows(&item.path, &item.selection))
            .map(|(item, target)| files::Watch {
                path: item.path.clone(),
                selection: item.selection.clone(),
                target: target.clone(),
                known_as: None,
                text: if self.once { files::in_one_round(&item.text) } else { item.text.clone() },
                from_beginning: item.from_beginning,
            })
            .collect();
        if watches.is_empty() {
            return Ok(());
        }
        let (mut tail, fresh) = match self.tail.take() {
            Some(tail) => (tail, None),
            None => {
                let (wake, wakes) = std_mpsc::channel();
                let space = wake.clone();
                let waker = LaneWaker::new(move || {
                    // A tail thread that has ended needs no room.
                    let _ = space.send(files::Wake::Space);
                });
                let (tailer, roster) = files::Tailer::new(avoid, checkpoints, outlet, waker, self.board.clone());
                (Tail { wake, roster }, Some((tailer, wakes)))
            }
        };
        let (items, scanners) = tail.roster.items(watches, plan.awaited_files());
        match fresh {
            Some((mut tailer, wakes)) => {
                tailer.follow(items);
                self.start_tail_thread(tailer, tail.wake.clone(), wakes)?;
            }
            None => {
                // If its thread has ended, the daemon is about to.
                let _ = tail.wake.send(files::Wake::More(items));
            }
        }
        for scanner in scanners {
            start_scanner(scanner, tail.wake.clone())?;
        }
        self.tail = Some(tail);
        Ok(())
    }

    /// What no pattern may match: following it would never end.
    fn avoid(&self, plan: &Plan) -> files::Avoid {
        let own_log = &plan.settings.agent.own_log;
        let own_log = own_log.file.clone().filter(|_| own_log.debug && !own_log.quiet);
        files::Avoid { state: Some(self.state.path().to_path_buf()), own_log }
    }

    /// More of the names is known: look for positions of other programs for whoever waited only for that. May take long; who gives it
    /// up has moved nothing.
    pub fn prepare_more(&self, plan: &mut Plan) -> BoxFuture<'static, News> {
        let news = plan.learn(&self.names.identity);
        let targets = plan.new_targets(&news);
        let import = imports::of(plan, &targets, &self.earlier, &self.positions, self.state.path());
        Box::pin(async move {
            if let Some(import) = import {
                import.run().await;
            }
            news
        })
    }

    /// Start whoever waited only for that.
    ///
    /// # Errors
    /// When a thread for it cannot be started.
    pub fn open_more(&mut self, plan: &Plan, news: &News) -> Result<(), DaemonError> {
        self.show_waiting(plan);
        self.start_logs(plan, &plan.new_targets(news))
    }

    /// A line of the board for each source that waits for its names.
    pub fn show_waiting(&mut self, plan: &Plan) {
        self.waiting.drain(..).for_each(|line| self.board.forget(line));
        for waiting in plan.waiting() {
            let line = SourceId::unique();
            self.board.source(line, |source| {
                source.name = waiting.at.to_owned();
                (source.group, source.stream) = (waiting.template.group.clone(), waiting.template.stream.clone());
                source.catching_up = true;
                source.last_error = Some(waiting.why.clone());
            });
            if self.waiting.is_empty() {
                tracing::warn!(
                    first = waiting.at,
                    logs = plan.waiting().count(),
                    "a log {}; it stays in its source",
                    waiting.why
                );
            }
            self.waiting.push(line);
        }
    }

    /// What the system keeps of its own. What this system does not have was said by the checks of the configuration.
    fn start_system_logs(
        &mut self,
        plan: &Plan,
        targets: &Targets<'_>,
        outlet: &Arc<dyn Outlet>,
        checkpoints: &Arc<dyn Checkpoints>,
    ) {
        let stop = self.stop_sources.clone();
        let site = supervised::Site {
            checkpoints: checkpoints.clone(),
            outlet: outlet.clone(),
            board: self.board.clone(),
            clock: Timestamp::now,
        };
        if has_journal() {
            let whole = targets.journal.iter();
            let whole = whole.map(|(journal, target)| journald::Options::whole(journal, target.clone()));
            let items = targets.journald.iter();
            let items = items.map(|(item, target)| journald::Options::item(item, target.clone()));
            for options in whole.chain(items) {
                self.tasks.spawn("journal", journald::run(options, site.clone(), stop.clone()));
            }
        }
        if has_windows_events() {
            let agent = imports::agent_folder(plan);
            for (item, target) in &targets.windows_events {
                let log = platform::windows_events::open();
                let reader = windows_events::run(
                    (*item).clone(),
                    target.clone(),
                    log,
                    site.clone(),
                    agent.clone(),
                    stop.clone(),
                );
                self.tasks.spawn("Windows events", reader);
            }
        }
        if has_unified_log() {
            for (item, target) in &targets.unified_log {
                let reader = unified_log::run((*item).clone(), target.clone(), site.clone(), stop.clone());
                self.tasks.spawn("unified log", reader);
            }
        }
    }

    /// Reading files blocks, on a dead mount for ever: that has a thread of its own.
    fn start_tail_thread(
        &mut self,
        tailer: files::Tailer,
        wake: std_mpsc::Sender<files::Wake>,
        wakes: std_mpsc::Receiver<files::Wake>,
    ) -> Result<(), DaemonError> {
        let (ended, end) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("tail".into())
            .spawn(move || {
                files::run(tailer, wake, &wakes);
                drop(ended);
            })
            .map_err(|source| DaemonError::Thread { what: "thread that follows the log files", source })?;
        self.tasks.spawn("tail", async move { drop(end.await) });
        Ok(())
    }

    /// What comes from others and cannot be read again. One round only sends what earlier runs left: it waits for nobody.
    fn start_received(&mut self, targets: &Targets<'_>) {
        let Some(door) = self.door.clone().filter(|_| !self.once) else { return };
        if let Some((settings, target)) = &targets.emf {
            let options = received::emf_options(settings, target);
            let intake: Arc<dyn Intake> = Arc::new(door.clone().durable(settings.durable));
            let listeners = emf::run(options, intake, self.board.clone(), self.stop_sources.clone());
            self.tasks.spawn("EMF listeners", listeners);
        }
        let pipes = targets.files.iter().filter(|(item, _)| self.pipes.contains(&item.at));
        let watches: Vec<_> = pipes
            .map(|(item, target)| fifo::Watch {
                path: item.path.clone(),
                target: target.clone(),
                text: item.text.clone(),
            })
            .collect();
        if !watches.is_empty() {
            let reader = fifo::run(watches, Arc::new(door), self.board.clone(), self.stop_sources.clone());
            self.tasks.spawn("FIFOs", reader);
        }
    }
}

/// Looking through folders may take long, on a dead mount for ever. It ends with the tail thread, but nobody waits for that.
fn start_scanner(scanner: files::Scanner, wake: std_mpsc::Sender<files::Wake>) -> Result<(), DaemonError> {
    std::thread::Builder::new()
        .name("find".into())
        .stack_size(SCANNER_STACK)
        .spawn(move || files::find(scanner, &wake))
        .map_err(|source| DaemonError::Thread { what: "thread that looks for log files", source })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Chunk, Target},
        positions,
        telemetry::board::Board,
    };
    use tokio::sync::mpsc;

    struct Nowhere;

    impl Outlet for Nowhere {
        fn lane(&self, _: &Arc<Target>, _: &Arc<LaneWaker>) -> mpsc::Sender<Box<Chunk>> {
            mpsc::channel(1).0
        }
    }

    #[test]
    fn a_tail_thread_ends_with_the_daemons_end_of_it_however_that_came_about() {
        let folder = tempfile::tempdir().expect("a folder");
        let board = Arc::new(Board::default());
        let positions = positions::Store::open(folder.path(), board.clone()).expect("positions");
        let (wake, wakes) = std_mpsc::channel();
        let avoid = files::Avoid { state: None, own_log: None };
        let (tailer, roster) = files::Tailer::new(avoid, positions, Arc::new(Nowhere), LaneWaker::new(|| {}), board);
        let (ended, end) = std_mpsc::channel();
        let tail = Tail { wake: wake.clone(), roster };
        let thread = std::thread::spawn(move || {
            files::run(tailer, wake, &wakes);
            ended.send(()).expect("the test waits");
        });
        // As when the next thread cannot be started.
        drop(tail);
        end.recv_timeout(std::time::Duration::from_secs(30)).expect("it heard that nobody needs it any more");
        thread.join().expect("no panic");
    }
}
