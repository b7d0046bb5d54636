//! `metrics.response_time`: who is asked for an answer, how, and how often.
//!
//! A target is an object, or for short its own text: a URL, `HOST:PORT`, or `icmp HOST`.
use super::{Context, dimensions, measurements, programs};
use crate::{
    config::{
        measurements::Table,
        section::Section,
        settings::{
            metrics::{Measurements, Options, Plugin, SourceDimensions},
            probe::{Http, Question, Target},
        },
    },
    model::limits,
    platform::host::{self, System},
};
use hyper::Uri;
use std::{collections::HashSet, net::Ipv6Addr, ops::RangeInclusive, time::Duration};

/// How long an answer is waited for where nobody says otherwise and the interval is not shorter.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Statuses of a service that is well: success, and what leads elsewhere.
const WELL: RangeInclusive<u16> = 200..=399;
/// Redirects that are followed where it is only said that they are: as curl has it for a person's command line, less.
const REDIRECTS: u8 = 5;

const FORMS: &str =
    "is none of the forms that a target has: a URL like https://example.org/health, HOST:PORT, or `icmp HOST`";

/// Each target as a plugin of its own, so that each has its own interval. `carried`: the dimensions of everything in this file.
pub(super) fn read(section: &Section<'_>, context: &Context, carried: &SourceDimensions) -> Vec<Plugin> {
    let table = Table::find("response_time").expect("a table of ours");
    let wanted = match section.has("measurement") {
        true => measurements::of_table(section, table),
        false => table.fields.iter().map(|field| measurements::whole(table, field)).collect(),
    };
    let mut source = dimensions::carried(section);
    source.host &= carried.host;
    let news = carried.append.iter().filter(|(name, _)| !source.append.iter().any(|(own, _)| own == name));
    let news: Vec<_> = news.cloned().collect();
    source.append.extend(news);
    let mut names = HashSet::new();
    let mut targets = vec![];
    for item in section.child("targets").items() {
        let Some((question, name)) = target(&item) else { continue };
        if !names.insert(name.clone()) {
            item.error(format!("another target is called `{name}` too, and their values would mix; give it a `name`"));
            continue;
        }
        if matches!(question, Question::Icmp { .. }) && host::SYSTEM == System::Windows {
            item.warning("not available on Windows: no ICMP echo is sent there; ignored; ask a TCP port instead");
            continue;
        }
        let seconds = |of: &Section<'_>| of.child("interval").unsigned().map(Duration::from_secs);
        let interval = seconds(&item).or_else(|| seconds(section)).unwrap_or(context.interval);
        let timed = if item.has("timeout") { &item } else { section };
        let timeout = programs::timeout(timed, interval, TIMEOUT);
        targets.push(Plugin {
            at: item.at.clone(),
            key: table.key,
            measurements: Measurements::These(wanted.clone()),
            interval,
            resolution: context.resolution_for(interval, super::resolution(section)),
            dimensions: source.clone(),
            options: Options::Probe(Target { name, question, timeout }),
        });
    }
    if wanted.is_empty() { vec![] } else { targets }
}

/// What is asked, and what that is called.
fn target(item: &Section<'_>) -> Option<(Question, String)> {
    if let Some(text) = item.verbatim() {
        let Some(question) = in_words(item.text()?.trim()) else {
            item.error(FORMS);
            return None;
        };
        return checked(item, question, text.trim().to_owned(), false);
    }
    let (url, host, icmp) = (item.child("url"), item.child("host"), item.child("icmp"));
    if [&url, &host, &icmp].into_iter().filter(|section| section.exists()).count() > 1 {
        item.error("names more than one of `url`, `host` and `icmp`; write a target for each");
        return None;
    }
    let question = if let Some(text) = url.text() {
        match in_words(text.trim()).filter(|_| text.contains("://")) {
            Some(question) => question,
            None => {
                url.error("is no URL: write http:// or https://, a host and perhaps a port and a path");
                return None;
            }
        }
    } else if let Some(text) = host.text() {
        let host_name = bare(text.trim()).to_owned();
        match item.child("port").unsigned().and_then(|port| u16::try_from(port).ok()) {
            Some(port) => Question::Tcp { host: host_name, port },
            None if item.has("port") => return None,
            None => {
                host.error("needs a `port` beside it; for an ICMP echo write `icmp` in place of `host`");
                return None;
            }
        }
    } else {
        Question::Icmp { host: bare(icmp.text()?.trim()).to_owned() }
    };
    let named = item.child("name").text().map(|name| name.trim().to_owned());
    let is_named = named.is_some();
    let name = named.unwrap_or_else(|| called(&question));
    checked(item, question, name, is_named)
}

/// A question in the short form.
fn in_words(text: &str) -> Option<Question> {
    let fits = |host: &str| !host.is_empty() && !host.contains(char::is_whitespace);
    if let Some(host) =
        text.strip_prefix("icmp://").or_else(|| text.strip_prefix("icmp ")).map(|host| bare(host.trim()))
    {
        return fits(host).then(|| Question::Icmp { host: host.to_owned() });
    }
    let place = text.strip_prefix("tcp://").unwrap_or(text);
    if text.contains("://") && place == text {
        let uri: Uri = text.parse().ok()?;
        let usable =
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
        let http = Http { url: text.to_owned(), expect: vec![WELL], redirects: 0, ca_bundle: None };
        return usable.then_some(Question::Http(http));
    }
    let (host, port) = place.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    let host = bare(host);
    // An address of IPv6 needs its brackets, or nobody knows which part is the port.
    let is_clear = !host.contains(':') || place.starts_with('[');
    (fits(host) && is_clear && !host.contains('/')).then(|| Question::Tcp { host: host.to_owned(), port })
}

/// Without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inside.filter(|inside| inside.parse::<Ipv6Addr>().is_ok()).unwrap_or(host)
}

/// What a target without a name is called. What stands behind the `?` of a URL may be secret.
fn called(question: &Question) -> String {
    match question {
        Question::Http(http) => http.url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        Question::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
        Question::Tcp { host, port } => format!("{host}:{port}"),
        Question::Icmp { host } => format!("icmp {host}"),
    }
}

/// The question with what else the item says about it.
fn checked(item: &Section<'_>, question: Question, name: String, is_named: bool) -> Option<(Question, String)> {
    const HTTP_ONLY: [&str; 3] = ["expect_status", "follow_redirects", "ca_bundle"];
    let question = match question {
        Question::Http(http) => Question::Http(Http {
            expect: statuses(&item.child("expect_status")).unwrap_or(http.expect),
            redirects: match item.child("follow_redirects") {
                follow if follow.flag() == Some(true) => REDIRECTS,
                follow => follow.unsigned().and_then(|most| u8::try_from(most).ok()).unwrap_or(0),
            },
            ca_bundle: item.child("ca_bundle").text().map(Into::into),
            ..http
        }),
        other => {
            for key in HTTP_ONLY.into_iter().filter(|key| item.has(key)) {
                item.child(key).warning("means something only for a URL; ignored");
            }
            other
        }
    };
    if let Question::Http(Http { url, .. }) = &question
        && url.parse::<Uri>().is_ok_and(|uri| uri.authority().is_some_and(|authority| authority.as_str().contains('@')))
    {
        item.error("has a user in its URL, and nothing is signed in to by a probe: name a page that needs none");
        return None;
    }
    if item.has("port") && !item.has("host") {
        item.child("port").warning("belongs to `host`; ignored");
    }
    let name = if is_named { name } else { called(&question) };
    if name.is_empty() || name.chars().count() > limits::DIMENSION_VALUE || !name.chars().all(limits::fits_metric) {
        item.error(
            "cannot be a dimension of CloudWatch as it is called: give it a `name` of 1 to 255 ASCII characters",
        );
        return None;
    }
    Some((question, name))
}

/// `expect_status`: a status, a range like `200-299`, or a list of both.
fn statuses(section: &Section<'_>) -> Option<Vec<RangeInclusive<u16>>> {
    let items = section.items();
    let all = if items.is_empty() { std::slice::from_ref(section) } else { &items };
    let found: Vec<_> = all.iter().filter_map(statuses_of).collect();
    (!found.is_empty()).then_some(found)
}

fn statuses_of(section: &Section<'_>) -> Option<RangeInclusive<u16>> {
    if let Some(status) = section.unsigned().and_then(|status| u16::try_from(status).ok()) {
        return Some(status..=status);
    }
    let text = section.text()?;
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| text.trim().parse::<u16>().ok().filter(|status| (100..600).contains(status));
    match (status(from), status(to)) {
        (Some(from), Some(to)) if from <= to => Some(from..=to),
        _ => {
            section.error("must be a status of HTTP from 100 to 599, or a range of them like 200-299");
            None
        }
    }
}
