//! The store as a destination: each call of `Put` is one transaction on the one connection that writes.
use super::{
    database::{Database, LocalError},
    rules::{self, Verdict},
    sweep::Sweep,
};
use crate::{
    model::{Dimension, LogBatch, LogEvent, MetricBatch, Target, Timestamp},
    publish::{Put, PutError, PutFuture, Rejected, Service},
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Mutex, task, time::Instant};

#[cfg(test)]
mod tests;

/// The embedded CloudWatch as a destination.
///
/// A batch that was accepted is on the disk. Batches are written one after the other; each waits for its turn without
/// holding a thread.
#[derive(Debug)]
pub struct Store(Arc<Mutex<Writer>>);

#[derive(Debug)]
struct Writer {
    folder: PathBuf,
    database: Database,
    /// How long points and events are kept; a group's own retention may be shorter.
    retention: Duration,
    sweep: Sweep,
}

impl Store {
    /// Opens `cloudwatch.db` in `folder`; makes both when they are missing, the folder with mode 0700. Rows older than
    /// `retention` are deleted from now on. Blocks for as long as the disk takes.
    pub fn open(folder: &Path, retention: Duration) -> Result<Self, LocalError> {
        let mut writer = Writer {
            folder: folder.to_path_buf(),
            database: Database::create(folder)?,
            retention,
            sweep: Sweep::default(),
        };
        writer.tidy();
        Ok(Self(Arc::new(Mutex::new(writer))))
    }

    /// Does `work` on the blocking pool, then sweeps if it is time to.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, PutError> + Send + 'static,
    ) -> Result<T, PutError> {
        let mut writer = Arc::clone(&self.0).lock_owned().await;
        let worker = move || {
            let done = writer.stay_in_place().and_then(|()| work(&mut writer));
            // Also when it failed: the sweep may be what gives a full disk its space back.
            writer.tidy();
            let done = done?;
            // Somebody may have removed the file while it was written.
            writer.database.in_place().map_err(failed)?;
            Ok(done)
        };
        task::spawn_blocking(worker)
            .await
            .unwrap_or_else(|ended| Err(PutError::Failed { service: Service::Local, source: ended.into() }))
    }
}

impl Put for Store {
    fn metrics<'a>(&'a self, batch: &'a MetricBatch) -> PutFuture<'a, ()> {
        let batch = batch.clone();
        Box::pin(self.write(move |writer| writer.metrics(&batch, Timestamp::now())))
    }

    fn logs<'a>(&'a self, batch: &'a LogBatch) -> PutFuture<'a, Rejected> {
        // The body is shared, not copied.
        let batch = LogBatch { covers: Vec::new(), ..batch.clone() };
        Box::pin(self.write(move |writer| writer.logs(&batch, Timestamp::now())))
    }

    fn create_group<'a>(&'a self, target: &'a Target) -> PutFuture<'a, ()> {
        let target = target.clone();
        Box::pin(self.write(move |writer| writer.create_group(&target, Timestamp::now())))
    }

    fn create_stream<'a>(&'a self, target: &'a Target) -> PutFuture<'a, ()> {
        let target = target.clone();
        Box::pin(self.write(move |writer| writer.create_stream(&target, Timestamp::now())))
    }

    fn set_retention<'a>(&'a self, target: &'a Target) -> PutFuture<'a, ()> {
        let target = target.clone();
        Box::pin(self.write(move |writer| writer.set_retention(&target)))
    }

    fn renew(&self) -> PutFuture<'_, ()> {
        // There are no credentials.
        Box::pin(async { Ok(()) })
    }
}

const MISSING: PutError = PutError::Missing { service: Service::Local };

fn refused(reason: String) -> PutError {
    PutError::Refused { service: Service::Local, reason }
}

fn failed(error: LocalError) -> PutError {
    PutError::Failed { service: Service::Local, source: error.into() }
}

impl Writer {
    /// Make the file again when somebody has removed it or put another in its place: there is nothing to keep of it.
    fn stay_in_place(&mut self) -> Result<(), PutError> {
        if let Err(removed) = self.database.in_place() {
            tracing::warn!("{removed}");
            self.database = Database::create(&self.folder).map_err(failed)?;
            self.sweep = Sweep::default();
        }
        Ok(())
    }

    fn metrics(&mut self, batch: &MetricBatch, now: Timestamp) -> Result<(), PutError> {
        rules::metrics(batch, now).map_err(refused)?;
        self.transaction(|connection| insert_points(connection, batch))
    }

    fn logs(&mut self, batch: &LogBatch, now: Timestamp) -> Result<Rejected, PutError> {
        let events = batch.events().map_err(|error| refused(format!("its body is not PutLogEvents: {error}")))?;
        rules::events(&events).map_err(refused)?;
        let store = self.retention;
        self.transaction(|connection| {
            let Some((stream, days)) = find_stream(connection, &batch.target)? else { return Ok(None) };
            insert_events(connection, stream, &events, |at| rules::verdict(at, now, rules::kept(days, store))).map(Some)
        })?
        .ok_or(MISSING)
    }

    fn create_group(&mut self, target: &Target, now: Timestamp) -> Result<(), PutError> {
        rules::group(target).map_err(refused)?;
        self.transaction(|connection| {
            let sql = "INSERT INTO log_group (name, created) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            connection.execute(sql, (&target.group, now.as_millis())).map(drop)
        })
    }

    fn create_stream(&mut self, target: &Target, now: Timestamp) -> Result<(), PutError> {
        rules::stream(target).map_err(refused)?;
        let found = self.transaction(|connection| {
            let group = connection
                .query_row("SELECT id FROM log_group WHERE name = ?1", (&target.group,), |row| row.get::<_, i64>(0))
                .optional()?;
            let Some(group) = group else { return Ok(false) };
            let sql = "INSERT INTO log_stream (log_group, name, created) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            connection.execute(sql, (group, &target.stream, now.as_millis())).map(|_| true)
        })?;
        if found { Ok(()) } else { Err(MISSING) }
    }

    /// A target without a retention leaves the group's own.
    fn set_retention(&mut self, target: &Target) -> Result<(), PutError> {
        let Some(days) = target.retention_in_days else { return Ok(()) };
        rules::retention(days).map_err(refused)?;
        let changed = self.transaction(|connection| {
            connection.execute("UPDATE log_group SET retention_days = ?2 WHERE name = ?1", (&target.group, days))
        })?;
        if changed == 0 { Err(MISSING) } else { Ok(()) }
    }

    /// All or nothing. What fails here is worth another try: the data is good, the file or its disk is not.
    fn transaction<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, PutError> {
        let connection = &mut self.database.connection;
        let done = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let done = work(&transaction)?;
            transaction.commit().map(|()| done)
        });
        done.map_err(|error| failed(LocalError::of(&self.database.file, error)))
    }

    fn tidy(&mut self) {
        self.sweep.run(&mut self.database, self.retention, Timestamp::now(), Instant::now());
    }
}

fn insert_points(connection: &Connection, batch: &MetricBatch) -> rusqlite::Result<()> {
    let mut add_series =
        connection.prepare("INSERT INTO series (name, namespace, dimensions, unit) VALUES (?1, ?2, ?3, ?4)")?;
    let mut find_series = connection
        .prepare("SELECT id FROM series WHERE name = ?1 AND namespace = ?2 AND dimensions = ?3 AND unit = ?4")?;
    let mut add_point = connection.prepare(
        "INSERT INTO point (series, at, n, value, count)
         SELECT ?1, ?2, coalesce(max(n) + 1, 0), ?3, ?4 FROM point WHERE series = ?1 AND at = ?2",
    )?;
    for point in &batch.points {
        let key = (&point.name, &batch.namespace, canonical(&point.dimensions), point.unit.as_str());
        let series = match find_series.query_row((&key.0, key.1, &key.2, key.3), |row| row.get(0)).optional()? {
            Some(series) => series,
            None => add_series.insert((&key.0, key.1, &key.2, key.3))?,
        };
        for (value, count) in point.value.iter() {
            add_point.execute((series, point.at.as_millis(), value, count))?;
        }
    }
    Ok(())
}

/// The same text for the same dimensions, in whatever order they come: a JSON object with its names sorted.
fn canonical(dimensions: &[Dimension]) -> String {
    let sorted: BTreeMap<_, _> = dimensions.iter().map(|d| (d.name.as_str(), d.value.as_str())).collect();
    serde_json::to_string(&sorted).expect("a map of strings is JSON")
}

/// The stream's id and its group's retention in days.
fn find_stream(connection: &Connection, target: &Target) -> rusqlite::Result<Option<(i64, Option<u16>)>> {
    let sql = "SELECT s.id, g.retention_days FROM log_group g JOIN log_stream s ON s.log_group = g.id
               WHERE g.name = ?1 AND s.name = ?2";
    connection.query_row(sql, (&target.group, &target.stream), |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn insert_events(
    connection: &Connection,
    stream: i64,
    events: &[LogEvent<'_>],
    verdict: impl Fn(Timestamp) -> Verdict,
) -> rusqlite::Result<Rejected> {
    let mut add = connection.prepare("INSERT INTO event (stream, at, message) VALUES (?1, ?2, ?3)")?;
    let mut rejected = Rejected::default();
    for event in events {
        match verdict(Timestamp::from_millis(event.timestamp)) {
            Verdict::Kept => {
                add.execute((stream, event.timestamp, &*event.message))?;
            }
            Verdict::TooOld => rejected.too_old += 1,
            Verdict::TooNew => rejected.too_new += 1,
            Verdict::Expired => rejected.expired += 1,
        }
    }
    Ok(rejected)
}
