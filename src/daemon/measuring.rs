//! Everything between the host and the metric publisher: sources, stage, publisher, spool.
use super::{
    DaemonError,
    plan::Plan,
    wiring::{ONE_ROUND, Running},
};
use crate::{
    config::settings::{Statsd, metrics::Metrics},
    metrics::{
        Entry,
        scheduler::{self, Place},
        statsd,
    },
    model::{Facts, Reading},
    pipeline::{Packing, Rules, pack_metrics},
    publish::{MetricPublisher, Put, Report},
    spool::Spool,
};
use std::sync::Arc;
use tokio::{
    runtime,
    sync::{mpsc, oneshot, watch},
};

/// Readings that wait for the metric stage; each is what one source gave at once.
const READINGS: usize = 4;
/// Metric batches that wait for their publisher.
const METRIC_BATCHES: usize = 16;

/// Start what measures and what sends it: what sends first, the sources last.
pub fn start(running: &mut Running, plan: &Plan, put: Arc<dyn Put>) -> Result<(), DaemonError> {
    let settings = &plan.settings;
    // Without metrics the spool is served all the same: an earlier run may have left something there.
    let spool = Arc::new(Spool::open(&running.state.path().join("spool"), settings.agent.spool)?);
    let report = Arc::new(Report::new(running.board.clone(), "metrics"));
    let (batches, to_publisher) = mpsc::channel(METRIC_BATCHES);
    let publisher = MetricPublisher { put, report, spool, spool_now: running.spool_now.clone() };
    running.tasks.spawn("metric publisher", publisher.run(to_publisher));
    let Some(metrics) = &settings.metrics else {
        // Nothing will come, but the end of the input must come with the stop, not before it.
        let stop = running.stop_sources.clone();
        running.tasks.spawn("no metrics", async move {
            stop.cancelled().await;
            drop(batches);
        });
        return Ok(());
    };
    // A line for what has not been tried yet, too.
    running.board.destination("metrics", |_| {});
    let (readings, to_stage) = mpsc::channel(READINGS);
    let place = Place::of(&plan.identity.instance_id, &plan.identity.hostname);
    let (_, facts) = watch::channel(Facts::none());
    running.tasks.spawn("metric stage", pack_metrics(packing(running, plan, metrics, place), to_stage, facts, batches));
    let plugins = metrics.plugins.iter().enumerate();
    let sources = plugins.filter_map(|(number, plugin)| Some(Entry::find(plugin.key)?.build(plugin, number)));
    let stop = running.stop_sources.clone();
    // One round waits for nobody.
    if let Some(statsd) = metrics.statsd.clone().filter(|_| !running.once) {
        start_statsd(running, statsd, metrics.plugins.len(), place, readings.clone())?;
    }
    running.tasks.spawn("metric scheduler", scheduler::run(sources.collect(), place, readings, stop));
    Ok(())
}

/// It has a thread of its own, so that nothing that another task does keeps datagrams waiting for longer than the system's buffer
/// lasts.
fn start_statsd(
    running: &mut Running,
    settings: Statsd,
    source: usize,
    place: Place,
    readings: mpsc::Sender<Reading>,
) -> Result<(), DaemonError> {
    let (board, stop) = (running.board.clone(), running.stop_sources.clone());
    let failed = |source| DaemonError::Thread { what: "thread that receives statsd lines", source };
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().map_err(failed)?;
    let (ended, end) = oneshot::channel::<()>();
    std::thread::Builder::new()
        .name("statsd".into())
        .spawn(move || {
            runtime.block_on(statsd::run(settings, source, place, readings, board, stop));
            // The look-up of a name may hang.
            runtime.shutdown_background();
            drop(ended);
        })
        .map_err(failed)?;
    running.tasks.spawn("statsd", async move { drop(end.await) });
    Ok(())
}

/// How the stage works for these sources: they are numbered in the order of the plugins, and statsd comes behind them.
fn packing(running: &Running, plan: &Plan, metrics: &Metrics, place: Place) -> Packing {
    let (plugins, statsd) = (metrics.plugins.iter(), metrics.statsd.iter());
    Packing {
        namespace: metrics.namespace.clone(),
        rules: Rules {
            sources: plugins
                .map(|plugin| plugin.dimensions.clone())
                .chain(statsd.clone().map(|s| s.dimensions.clone()))
                .collect(),
            global: metrics.dimensions.clone(),
            host_name: plan.identity.hostname.clone(),
            instance_id: plan.identity.instance_id.clone(),
        },
        intervals: metrics.plugins.iter().map(|plugin| plugin.interval).chain(statsd.map(|s| s.interval)).collect(),
        flush: if running.once { ONE_ROUND } else { metrics.flush },
        place,
        max_series: metrics.max_series,
    }
}
