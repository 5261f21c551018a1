#include "engine/store_selftest.hpp"

#include "base/error.hpp"
#include "base/farewell.hpp"
#include "base/random.hpp"
#include "base/worker_group.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <functional>
#include <vector>

namespace backstay::core
{

namespace
{

constexpr std::size_t small_size = 64 * KiB;
constexpr std::size_t pack_size = 32 * MiB; ///< what a repository's packs have by default

Bytes random_bytes(std::size_t size)
{
    Bytes bytes(size);
    fill_random(bytes);
    return bytes;
}

void demand(bool good, const std::string& otherwise)
{
    if (!good) {
        throw Error(ErrorCode::storage, otherwise);
    }
}

class SelfTest
{
public:
    SelfTest(ObjectStore& store, JobContext& context)
        : store_(store), context_(context), stop_(context.stop()), prefix_(new_prefix()),
          farewell_(stop_)
    {
    }

    ~SelfTest()
    {
        if (made_.empty()) {
            return;
        }
        try {
            store_.remove_all(made_, farewell_.begin());
        } catch (const std::exception&) {
            return; // the test of removing has told
        }
    }
    SelfTest(const SelfTest&) = delete;
    SelfTest& operator=(const SelfTest&) = delete;

    Record run()
    {
        test("create and read back", [this] { return create_and_read(); });
        test("create only what is absent", [this] { return create_if_absent(); });
        test("read parts", [this] { return read_parts(); });
        test("tell what is there", [this] { return tell_what_is_there(); });
        test("list at once", [this] { return list_at_once(); });
        test("an object of a pack's size", [this] { return large_object(); });
        test("remove", [this] { return remove_all(); });
        if (!first_failure_.empty()) {
            throw Error(ErrorCode::storage,
                        fmt::format("this store is not fit for a repository: {}", first_failure_),
                        store_.describe(stop_).uri);
        }
        Record summary("summary");
        summary.set("command", "self-test").set("tests", tests_).set("failed", std::uint64_t{0});
        summary.set("exclusive_create", store_.describe(stop_).exclusive_create);
        summary.set("write_bytes_per_second", rate(write_seconds_));
        summary.set("read_bytes_per_second", rate(read_seconds_));
        summary.set("problems", std::uint64_t{0}).set("verdict", "ok");
        return summary;
    }

private:
    static std::string new_prefix()
    {
        std::array<std::uint8_t, 8> name{};
        fill_random(name);
        return "selftest-" + to_hex(name) + "-";
    }

    /// What `body` returns is worth knowing, though it works.
    void test(const char* name, const std::function<std::string()>& body)
    {
        throw_if_stopped(stop_);
        context_.set_current(name);
        ++tests_;
        Record record("test");
        record.set("name", name);
        try {
            record.set("passed", true).set("message", body());
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            record.set("passed", false).set("message", error.what());
            if (first_failure_.empty()) {
                first_failure_ = fmt::format("{}: {}", name, error.what());
            }
        }
        context_.emit(std::move(record));
    }

    std::string make(const std::string& name, const Bytes& object)
    {
        std::string key = prefix_ + name;
        made_.push_back(key);
        store_.create(key, object, stop_);
        return key;
    }

    Bytes read(const std::string& key, std::size_t size)
    {
        Bytes back(size + 1); // one more, to see that it ends there
        back.resize(store_.get(key, 0, back, stop_));
        return back;
    }

    std::string create_and_read()
    {
        small_ = random_bytes(small_size);
        const std::string key = make("small", small_);
        demand(read(key, small_.size()) == small_, "what comes back is not what was stored");
        const std::string empty = make("empty", {});
        demand(read(empty, 0).empty(), "an empty object comes back with bytes in it");
        return {};
    }

    std::string create_if_absent()
    {
        const std::string key = make("once", small_);
        store_.probe(stop_);
        const StoreDescription description = store_.describe(stop_);
        if (!description.exclusive_create) {
            return "not honoured: forget and prune need --alone here" +
                   (description.note.empty() ? "" : "; " + description.note);
        }
        try {
            store_.create(key, random_bytes(small_size), stop_);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::exists) {
                throw;
            }
            demand(read(key, small_.size()) == small_,
                   "an object was refused a second time and replaced all the same");
            return description.note;
        }
        throw Error(ErrorCode::storage, "an object that was there was replaced");
    }

    std::string read_parts()
    {
        const std::string key = prefix_ + "small";
        Bytes part(1000);
        demand(store_.get(key, 12'345, part, stop_) == part.size() &&
                   equal(part, ByteSpan(small_).subspan(12'345, part.size())),
               "a part in the middle is not what was stored there");
        demand(store_.get(key, small_.size() - 10, part, stop_) == 10 &&
                   equal(ByteSpan(part).first(10), ByteSpan(small_).last(10)),
               "the last part is not what was stored there");
        demand(store_.get(key, small_.size(), part, stop_) == 0,
               "there are bytes behind an object's end");
        return {};
    }

    std::string tell_what_is_there()
    {
        const auto there = store_.stat(prefix_ + "small", stop_);
        demand(there && there->size == small_.size(), "an object's size is told wrong");
        demand(!store_.stat(prefix_ + "absent", stop_), "an object is there that nobody made");
        return {};
    }

    std::string list_at_once()
    {
        std::vector<std::string> wanted{prefix_ + "empty", prefix_ + "once", prefix_ + "small"};
        for (const char* name : {"z-1", "z-10", "z-2"}) {
            wanted.push_back(make(name, {1, 2, 3}));
        }
        std::vector<std::string> listed;
        store_.list(
            prefix_, Freshness::fresh,
            [&listed](const ObjectInfo& object) { listed.push_back(object.key); }, stop_);
        demand(std::is_sorted(listed.begin(), listed.end()), "a list is out of order");
        demand(listed == wanted,
               "a list does not show what has just been made, or shows something else");
        return {};
    }

    std::string large_object()
    {
        const Bytes object = random_bytes(pack_size);
        const double before = monotonic_seconds();
        const std::string key = make("large", object);
        const double between = monotonic_seconds();
        demand(read(key, object.size()) == object, "what comes back is not what was stored");
        write_seconds_ = between - before;
        read_seconds_ = monotonic_seconds() - between;
        return {};
    }

    std::string remove_all()
    {
        for (const std::string& key : made_) {
            store_.remove(key, stop_);
            demand(!store_.stat(key, stop_), "what was removed is still there");
        }
        store_.remove(prefix_ + "absent", stop_);
        bool any = false;
        store_.list(
            prefix_, Freshness::fresh, [&any](const ObjectInfo&) { any = true; }, stop_);
        demand(!any, "what was removed is still listed");
        made_.clear();
        return {};
    }

    static std::uint64_t rate(double seconds)
    {
        return static_cast<std::uint64_t>(static_cast<double>(pack_size) / std::max(seconds, 1e-6));
    }

    ObjectStore& store_;
    JobContext& context_;
    std::stop_token stop_;
    std::string prefix_;
    std::vector<std::string> made_;
    Farewell farewell_;
    Bytes small_;
    std::uint64_t tests_ = 0;
    std::string first_failure_;
    double write_seconds_ = 0;
    double read_seconds_ = 0;
};

} // namespace

Record run_store_selftest(ObjectStore& store, JobContext& context)
{
    return SelfTest(store, context).run();
}

} // namespace backstay::core
