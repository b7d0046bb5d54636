//! Everything between the host and the metric publisher: sources, stage, publisher, spool.
use super::{
    DaemonError,
    facts::{Search, Wanted, Witness},
    listeners,
    plan::Plan,
    wiring::{ONE_ROUND, Running},
};
use crate::{
    config::settings::metrics::{Metrics, Plugin},
    metrics::{
        Entry, Rounds, collectd, exec, probe,
        scheduler::{self, Place},
    },
    model::{Reading, Timestamp},
    pipeline::{Packing, Rules, pack_metrics, repack_metrics},
    publish::{MetricPublisher, Put, Report},
    spool::{
        Spool, SpoolError,
        window::{self, Left},
    },
    telemetry::{board, chain},
};
use std::{path::Path, sync::Arc};
use tokio::sync::mpsc;

/// Readings that wait for the metric stage; each is what one source gave at once.
const READINGS: usize = 4;
/// Metric batches that wait for their publisher.
const METRIC_BATCHES: usize = 16;

/// Start what measures and what sends it: what sends first, the sources last. Whether an earlier run left something to send.
pub fn start(running: &mut Running, plan: &Plan, put: Arc<dyn Put>, witness: Witness) -> Result<bool, DaemonError> {
    let settings = &plan.settings;
    // Without metrics the spool is served all the same: an earlier run may have left something there.
    let spool = Arc::new(Spool::open(&running.state.path().join("spool"), settings.agent.spool)?);
    let waiting = running.state.path().join("windows");
    recover(&waiting, &spool);
    let left = spool.len() > 0;
    let report = Arc::new(Report::new(running.board.clone(), board::METRICS));
    let (batches, to_publisher) = mpsc::channel(METRIC_BATCHES);
    let publisher = MetricPublisher { put, report, spool, spool_now: running.spool_now.clone() };
    let sent = running.metrics_sent.clone();
    running.tasks.spawn("metric publisher", async move {
        publisher.run(to_publisher).await;
        sent.cancel();
    });
    let Some(metrics) = &settings.metrics else {
        // Nothing will come, but the end of the input must come with the stop, not before it.
        let stop = running.stop_sources.clone();
        running.tasks.spawn("no metrics", async move {
            stop.cancelled().await;
            drop(batches);
        });
        return Ok(left);
    };
    // A line for what has not been tried yet, too.
    running.board.destination(board::METRICS, |_| {});
    let (readings, to_stage) = mpsc::channel(READINGS);
    let place = Place::of(&plan.identity.instance_id, &plan.identity.hostname);
    let (search, facts) = Search::new(Wanted::by(metrics), witness, place);
    running.tasks.spawn("facts of EC2", search.run(running.stop_sources.clone()));
    let (windows, writer) = window::open(&waiting, &metrics.namespace);
    running.tasks.spawn("windows of metrics", writer.run());
    let packing = packing(running, plan, metrics, place);
    running.tasks.spawn("metric stage", pack_metrics(packing, to_stage, facts, windows, batches));
    let plugins = metrics.plugins.iter().enumerate();
    let sources = plugins.filter_map(|(number, plugin)| Some(Entry::find(plugin.key)?.build(plugin, number)));
    let stop = running.stop_sources.clone();
    running.tasks.spawn("metric scheduler", scheduler::run(sources.collect(), place, readings.clone(), stop.clone()));
    if let Some(settings) = metrics.collectd.clone() {
        let (source, board) = (metrics.plugins.len(), running.board.clone());
        running.tasks.spawn("collectd", collectd::run(settings, source, readings.clone(), board, stop));
    }
    // One round waits for nobody.
    if let Some(statsd) = metrics.statsd.clone().filter(|_| !running.once) {
        let source = metrics.plugins.len() + metrics.collectd.iter().count();
        listeners::start_statsd(running, statsd, source, place, readings.clone())?;
    }
    let of = |key: &str| -> Vec<(usize, Plugin)> {
        let plugins = metrics.plugins.iter().enumerate().filter(|(_, plugin)| plugin.key == key);
        plugins.map(|(number, plugin)| (number, plugin.clone())).collect()
    };
    let (commands, targets) = (of("exec"), of("response_time"));
    if !commands.is_empty() {
        let rounds = rounds(running, place, readings.clone());
        running.tasks.spawn("commands for metrics", exec::run(commands, rounds));
    }
    if !targets.is_empty() {
        let rounds = rounds(running, place, readings);
        running.tasks.spawn("probes of response time", probe::run(targets, rounds));
    }
    Ok(left)
}

/// What probes and commands are given.
fn rounds(running: &Running, place: Place, out: mpsc::Sender<Reading>) -> Rounds {
    let (stop, first) = (running.stop_sources.clone(), running.first_turns.clone());
    Rounds { place, out, stop, first, board: running.board.clone(), wall: Timestamp::now }
}

/// What a run that came to no orderly end had measured and not sent goes into the spool. What that does not take stays for the next start.
fn recover(folder: &Path, spool: &Spool) {
    let left = match window::left(folder) {
        Ok(left) => left,
        Err(error) => {
            let folder = folder.display();
            return tracing::warn!(%folder, %error, "what an earlier run measured and did not send cannot be looked for");
        }
    };
    for (path, Left { namespace, points, batches, safe, damaged }) in left {
        let (file, measured) = (path.display(), points.len());
        let all = repack_metrics(&namespace, points);
        // Where other batches came of it than were sent, all of it is sent: rather twice than not at all.
        let is_safe = |number: usize| batches == Some(all.len()) && safe.contains(&number);
        let unsafe_ones = all.iter().enumerate().filter(|(number, _)| !is_safe(*number));
        let kept = unsafe_ones.map(|(_, batch)| batch).try_for_each(|batch| match spool.push(batch) {
            // Too old by now: counted there.
            Ok(_) | Err(SpoolError::TooOld) => Ok(()),
            Err(error) => Err(error),
        });
        match kept {
            Ok(()) => {
                tracing::info!(%file, points = measured, damaged, "metrics that an earlier run had not sent are sent now");
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::warn!(%file, %error, "this cannot be removed: its metrics will be sent again at the next start");
                }
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%file, error, "metrics that an earlier run had not sent stay there for the next start");
            }
        }
    }
}

/// How the stage works for these sources, in the order of their numbers.
fn packing(running: &Running, plan: &Plan, metrics: &Metrics, place: Place) -> Packing {
    Packing {
        namespace: metrics.namespace.clone(),
        rules: Rules {
            sources: metrics.sources().map(|source| source.dimensions.clone()).collect(),
            global: metrics.dimensions.clone(),
            host_name: plan.identity.hostname.clone(),
            instance_id: plan.identity.instance_id.clone(),
        },
        own: metrics.plugins.len(),
        intervals: metrics.sources().map(|source| source.interval).collect(),
        flush: if running.once { ONE_ROUND } else { metrics.flush },
        place,
        max_series: metrics.max_series,
    }
}
