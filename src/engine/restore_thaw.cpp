#include "engine/restore_thaw.hpp"

#include "base/error.hpp"
#include "base/size_text.hpp"
#include "engine/pack_readiness.hpp"
#include "repo/content_reader.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fmt/core.h>
#include <utility>

namespace backstay::core
{

namespace
{

using Action = ThawOptions::Action;

// An archive takes from a minute to two days: asked again seldom, it tells as much.
constexpr double first_pause = 5;     // seconds
constexpr double longest_pause = 600; // seconds
/// A round of questions ends early when so many packs were found still on their way.
constexpr std::size_t enough_to_go_on_waiting = 64;
/// How often what came out first may have ended before the rest was out.
constexpr int most_rounds = 3;
/// Rounds in a row that a store may be out of reach: about an hour.
constexpr int most_failures = 6;

} // namespace

struct RestoreThaw::Found {
    Packs archived;
    Packs thawing;
};

RestoreThaw::RestoreThaw(Repository& repository, SnapshotAccess& access,
                         const RestoreOptions& options, const EngineLimits& limits,
                         JobContext& context, Waiting waiting)
    : repository_(repository), access_(access), options_(options), limits_(limits),
      context_(context), waiting_(std::move(waiting))
{
}

const char* RestoreThaw::name_of(Contents contents)
{
    return contents == Contents::metadata ? "metadata" : "data";
}

bool RestoreThaw::is_wanted()
{
    return options_.thaw.action != Action::none &&
           repository_.store().describe(context_.stop()).archives_objects;
}

void RestoreThaw::bring_metadata()
{
    if (is_wanted()) {
        bring(packs_of_metadata(), Contents::metadata);
    }
}

void RestoreThaw::bring_data(const std::vector<RestorePart>& parts)
{
    if (is_wanted()) {
        bring(packs_of_data(parts), Contents::data);
    }
}

RestoreThaw::Packs RestoreThaw::packs_of_metadata() const
{
    const BlobIndex& index = access_.index();
    Packs packs;
    for (std::uint32_t pack = 0; pack < index.packs(); ++pack) {
        const IndexedPack& known = index.pack(pack);
        if (!known.condemned && known.frames > 0 &&
            index.frame(pack, 0).key_class != KeyClass::data) {
            packs.push_back(pack);
        }
    }
    return packs;
}

/// Where each blob is read first.
RestoreThaw::Packs RestoreThaw::packs_of_data(const std::vector<RestorePart>& parts)
{
    const BlobIndex& index = access_.index();
    std::vector<bool> needed(index.packs());
    const auto need = [&](const BlobId& id, BlobKind kind) {
        const std::vector<BlobPlace> places = index.find(id);
        if (kind == BlobKind::data && !places.empty()) {
            needed[places.front().pack] = true;
        }
    };
    RestoreWalk walk(access_, options_, context_.stop());
    const RestoreWalk::Events events{
        [&](const Entry& entry) {
            context_.set_current(entry.path);
            try {
                for_each_reference(access_.reader(), entry.content, context_.stop(), need);
            } catch (const Error& error) {
                if (error.code() != ErrorCode::damaged) { // which the restore will tell
                    throw;
                }
            }
        },
        [](const std::string&) {}, [](const std::string&, const std::string&) {}};
    for (const RestorePart& part : parts) {
        walk.run(part, events);
    }
    Packs packs;
    for (std::uint32_t pack = 0; pack < needed.size(); ++pack) {
        if (needed[pack]) {
            packs.push_back(pack);
        }
    }
    return packs;
}

void RestoreThaw::bring(const Packs& packs, Contents contents)
{
    // Until nothing is found wanting: what came out first may have ended again.
    for (int round = 1;; ++round) {
        const Found found = look(packs);
        tell(contents, packs, found.archived, found.thawing);
        if (found.archived.empty() && found.thawing.empty()) {
            return;
        }
        if (options_.dry_run && contents == Contents::metadata) {
            throw Error(ErrorCode::unavailable,
                        "the metadata lies in the archive itself: what is in the snapshot can be "
                        "told once that is out");
        }
        if (options_.dry_run) {
            return;
        }
        ask(found.archived, found.archived.size());
        Packs coming = found.thawing;
        coming.insert(coming.end(), found.archived.begin(), found.archived.end());
        tell(contents, packs, {}, coming);
        if (options_.thaw.action == Action::ask) {
            throw Error(ErrorCode::unavailable,
                        fmt::format("{} pack{} of {} ({}) still on the way out of the archive: "
                                    "nothing was restored; run the same again later",
                                    coming.size(), coming.size() == 1 ? "" : "s", name_of(contents),
                                    format_size(bytes_of(coming))));
        }
        if (round > most_rounds) {
            throw Error(ErrorCode::unavailable,
                        fmt::format("{} times what came out of the archive could no longer be read "
                                    "before the rest was out: have it kept longer by thaw-days ({} "
                                    "now), or restore less at a time",
                                    most_rounds, options_.thaw.wish.days));
        }
        wait_for(std::move(coming), packs, contents);
    }
}

RestoreThaw::Found RestoreThaw::look(const Packs& packs)
{
    const std::vector<Readiness> states =
        look_at_packs(repository_, ids_of(packs), limits_, context_.stop());
    Found found;
    for (std::size_t at = 0; at < packs.size(); ++at) {
        if (states[at] != Readiness::ready) {
            (states[at] == Readiness::archived ? found.archived : found.thawing)
                .push_back(packs[at]);
        }
    }
    return found;
}

/// Asks for all of them, or until `enough` are not ready. Gives back those that are not ready, as
/// far as is known.
RestoreThaw::Packs RestoreThaw::ask(const Packs& packs, std::size_t enough)
{
    std::atomic<std::size_t> unready{0};
    const std::vector<Readiness> states = ask_of_packs(
        repository_, ids_of(packs), limits_,
        [&](const std::string& key, const std::stop_token& stop) {
            if (unready >= enough) {
                return Readiness::thawing;
            }
            const Readiness found = repository_.store().thaw(key, options_.thaw.wish, stop);
            unready += found == Readiness::ready ? 0 : 1;
            return found;
        },
        context_.stop());
    Packs left;
    for (std::size_t at = 0; at < packs.size(); ++at) {
        if (states[at] != Readiness::ready) {
            left.push_back(packs[at]);
        }
    }
    return left;
}

/// ask(), but a store that is out of reach for a while does not end hours of waiting.
RestoreThaw::Packs RestoreThaw::ask_again(const Packs& packs, int& failures)
{
    try {
        Packs left = ask(packs, enough_to_go_on_waiting);
        failures = 0;
        return left;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::unavailable || ++failures == most_failures) {
            throw;
        }
        context_.emit(Record("notice").set(
            "message", fmt::format("still waiting for the archive: {}", error.what())));
        return packs;
    }
}

void RestoreThaw::wait_for(Packs packs, const Packs& all, Contents contents)
{
    double pause = first_pause;
    int failures = 0;
    const std::string since = format_time(repository_.clock().now());
    double last_came = waiting_.now();
    while (!packs.empty()) {
        context_.set_current(
            fmt::format("waiting for the archive since {}: {} of {} packs of {} are there", since,
                        all.size() - packs.size(), all.size(), name_of(contents)));
        const double left = last_came + options_.thaw.patience - waiting_.now();
        if (left <= 0) {
            throw_never_came(packs, contents);
        }
        waiting_.pause(std::min(pause, left), context_.stop());
        pause = std::min(pause * 2, longest_pause);
        const std::size_t before = packs.size();
        packs = ask_again(packs, failures);
        if (packs.size() != before) {
            last_came = waiting_.now();
        }
        if (packs.size() != before && !packs.empty()) {
            tell(contents, all, {}, packs);
        }
    }
}

void RestoreThaw::throw_never_came(const Packs& packs, Contents contents) const
{
    const std::string key = pack_key(access_.index().pack(packs.front()).id);
    throw Error(
        ErrorCode::unavailable,
        fmt::format("{} pack{} of {} {} asked for, and none came out of the archive for {} "
                    "hours: nothing was restored. What was asked for stays asked for: run "
                    "the same again later, with a larger thaw-wait if the archive is known "
                    "to be slower. If the server goes on saying that {} lies in an archive, "
                    "it does not give it out: ask its operator",
                    packs.size(), packs.size() == 1 ? "" : "s", name_of(contents),
                    packs.size() == 1 ? "was" : "were", std::lround(options_.thaw.patience / 3600),
                    key),
        key);
}

void RestoreThaw::tell(Contents contents, const Packs& all, const Packs& archived,
                       const Packs& thawing)
{
    Record record("thaw");
    record.set("contents", name_of(contents));
    record.set("packs", static_cast<std::uint64_t>(all.size())).set("bytes", bytes_of(all));
    record.set("packs_archived", static_cast<std::uint64_t>(archived.size()));
    record.set("bytes_archived", bytes_of(archived));
    record.set("packs_thawing", static_cast<std::uint64_t>(thawing.size()));
    record.set("bytes_thawing", bytes_of(thawing));
    context_.emit(std::move(record));
}

std::vector<PackId> RestoreThaw::ids_of(const Packs& packs) const
{
    std::vector<PackId> ids;
    ids.reserve(packs.size());
    for (const std::uint32_t pack : packs) {
        ids.push_back(access_.index().pack(pack).id);
    }
    return ids;
}

std::uint64_t RestoreThaw::bytes_of(const Packs& packs) const
{
    std::uint64_t bytes = 0;
    for (const std::uint32_t pack : packs) {
        bytes += access_.index().pack(pack).size;
    }
    return bytes;
}

} // namespace backstay::core
