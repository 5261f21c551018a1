#include "engine/check.hpp"

#include "base/error.hpp"
#include "base/side_by_side.hpp"
#include "engine/pack_check.hpp"
#include "engine/sample.hpp"
#include "engine/unread_objects.hpp"

#include <atomic>
#include <fmt/core.h>
#include <mutex>
#include <optional>
#include <set>

namespace backstay::core
{

namespace
{

/// What is wrong with the object, empty if it is what its name says; nothing if it has gone.
std::optional<std::string> check_object(ObjectStore& store, const std::string& key,
                                        std::uint64_t& bytes_read, const std::stop_token& stop)
{
    const auto name =
        Id<struct ObjectNameTag>::parse(std::string_view(key).substr(key.rfind('/') + 1));
    if (!name) {
        return "its name is no SHA-256";
    }
    try {
        return check_name(store, key, name->bytes, bytes_read, stop);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found) {
            throw;
        }
        return std::nullopt;
    }
}

} // namespace

Record run_scrub(ObjectStore& store, const ScrubOptions& options, const EngineLimits& limits,
                 JobContext& context)
{
    const std::stop_token& stop = context.stop();
    const auto list = [&](Freshness freshness, const auto& each) {
        for (const char* prefix : {"index/", "packs/"}) {
            store.list(prefix, freshness, each, stop);
        }
    };
    std::vector<ObjectInfo> objects;
    list(Freshness::cached, [&](const ObjectInfo& object) { objects.push_back(object); });
    if (objects.empty() && !store.stat("config/1", stop)) {
        throw Error(ErrorCode::not_found, "there is no repository here: no config, no packs",
                    store.describe(stop).uri);
    }
    std::vector<std::size_t> chosen = sample(
        objects.size(), options.percent, static_cast<std::uint64_t>(system_clock().now().seconds));
    for (const std::size_t at : chosen) {
        context.progress().bytes_total += objects[at].size;
    }
    std::atomic<std::uint64_t> bytes{0};
    std::mutex mutex; // guards `gone`
    std::set<std::string> gone;
    const auto tell = [&context](const std::string& key, ErrorCode code,
                                 const std::string& message) {
        context.problem({"", key, static_cast<std::int32_t>(code), message});
    };
    UnreadObjects unread(tell);
    side_by_side("scrub", chosen.size(), limits.readers(store, stop), stop,
                 [&](std::size_t at, const std::stop_token& stopped) {
                     const ObjectInfo& object = objects[chosen[at]];
                     unread.pass_over(object.key, [&] {
                         std::uint64_t read = 0;
                         const auto wrong = check_object(store, object.key, read, stopped);
                         bytes += read;
                         context.progress().bytes += read;
                         if (!wrong) {
                             const std::lock_guard lock(mutex);
                             gone.insert(object.key);
                         } else if (!wrong->empty()) {
                             tell(object.key, ErrorCode::damaged, *wrong);
                         }
                     });
                 });
    if (!gone.empty()) {
        list(Freshness::fresh, [&](const ObjectInfo& object) {
            if (gone.erase(object.key) > 0) {
                tell(object.key, ErrorCode::damaged, "is listed, but there is no such object");
            }
        });
    }
    if (!gone.empty()) {
        context.emit(Record("notice").set(
            "message", fmt::format("objects that were there when the scrub began and are gone, as "
                                   "a prune leaves it; check tells whether they are needed: {}",
                                   gone.size())));
    }
    const std::uint64_t problems = context.progress().problems;
    Record record("summary");
    record.set("command", "scrub")
        .set("objects", static_cast<std::uint64_t>(chosen.size()))
        .set("objects_unread", unread.count())
        .set("objects_gone", static_cast<std::uint64_t>(gone.size()))
        .set("bytes_checked", bytes.load());
    record.set("problems", problems).set("verdict", verdict_of(problems, unread.count()));
    return record;
}

} // namespace backstay::core
