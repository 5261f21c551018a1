#include "store/retrying_store.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/worker_group.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace backstay::core
{

namespace
{

/// Waits, but not beyond a stop.
void pause(double seconds, const std::stop_token& stop)
{
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, std::chrono::duration<double>(seconds), [] { return false; });
    throw_if_stopped(stop);
}

double random_fraction()
{
    std::uint32_t word = 0;
    fill_random({reinterpret_cast<std::uint8_t*>(&word), sizeof word});
    return word / 4294967296.0;
}

/// Gives out so many bytes a second; what is taken early is waited for. Thread-safe.
class TokenBucket
{
public:
    /// `waiting` must outlive the bucket.
    TokenBucket(std::uint64_t rate, const Waiting& waiting)
        : rate_(static_cast<double>(rate)), waiting_(waiting), next_(waiting.now())
    {
    }

    void take(std::size_t bytes, const std::stop_token& stop)
    {
        if (rate_ <= 0) {
            return;
        }
        double wait = 0;
        {
            const std::lock_guard lock(mutex_);
            const double now = waiting_.now();
            wait = std::max(0.0, next_ - now);
            next_ = std::max(next_, now) + static_cast<double>(bytes) / rate_;
        }
        if (wait > 0) {
            waiting_.pause(wait, stop);
        }
    }

private:
    const double rate_;
    const Waiting& waiting_;
    std::mutex mutex_; // guards next_
    double next_;
};

/// So many at once; 0: any number. Thread-safe.
class Gate
{
public:
    explicit Gate(std::uint32_t most) : free_(most), limited_(most != 0) {}

    void enter(const std::stop_token& stop)
    {
        if (!limited_) {
            return;
        }
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [this] { return free_ > 0; })) {
            throw_if_stopped(stop);
        }
        --free_;
    }

    void leave()
    {
        if (!limited_) {
            return;
        }
        {
            const std::lock_guard lock(mutex_);
            ++free_;
        }
        changed_.notify_one();
    }

private:
    std::mutex mutex_; // guards free_
    std::condition_variable_any changed_;
    std::uint32_t free_;
    const bool limited_;
};

} // namespace

Waiting real_waiting()
{
    return {monotonic_seconds, pause};
}

struct RetryingStore::State {
    std::shared_ptr<ObjectStore> inner;
    RetryPolicy policy;
    Waiting waiting;
    TokenBucket upload;
    TokenBucket download;
    Gate gate;

    State(std::shared_ptr<ObjectStore> store, RetryPolicy how, Limits limits, Waiting how_to_wait)
        : inner(std::move(store)), policy(how), waiting(std::move(how_to_wait)),
          upload(limits.upload_bytes_per_second, waiting),
          download(limits.download_bytes_per_second, waiting), gate(limits.concurrency)
    {
    }

    /// Runs `operation(attempt)` until it works, fails for good, or has been tried often enough.
    template <typename Operation>
    auto run(const std::stop_token& stop, Operation&& operation)
    {
        double longest = policy.first_pause;
        for (int attempt = 1;; ++attempt) {
            throw_if_stopped(stop);
            try {
                gate.enter(stop);
                struct Leave {
                    Gate& gate;
                    ~Leave() { gate.leave(); }
                } leave{gate};
                return operation(attempt);
            } catch (const Error& error) {
                if (error.code() != ErrorCode::unavailable || attempt >= policy.attempts) {
                    throw;
                }
            }
            waiting.pause(longest * random_fraction(), stop);
            longest = std::min(longest * 2, policy.longest_pause);
        }
    }

    /// Whether what lies there is what we tried to create: then an earlier attempt had worked.
    bool is_ours(const std::string& key, ByteSpan object, const std::stop_token& stop)
    {
        try {
            Bytes there(object.size() + 1);
            there.resize(inner->get(key, 0, there, stop));
            return equal(there, object);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::not_found) {
                throw;
            }
            return false; // gone since
        }
    }

    template <typename Create>
    void create(const std::string& key, ByteSpan object, const std::stop_token& stop, Create&& body)
    {
        run(stop, [&](int attempt) {
            upload.take(object.size(), stop);
            try {
                body();
            } catch (const Error& error) {
                if (error.code() != ErrorCode::exists || attempt == 1 ||
                    !is_ours(key, object, stop)) {
                    throw;
                }
            }
        });
    }
};

RetryingStore::RetryingStore(std::shared_ptr<ObjectStore> inner, RetryPolicy policy, Limits limits,
                             Waiting waiting)
    : state_(new State(std::move(inner), policy, limits, std::move(waiting)))
{
}

RetryingStore::~RetryingStore() = default;

StoreDescription RetryingStore::describe(const std::stop_token& stop)
{
    return state_->run(stop, [&](int) { return state_->inner->describe(stop); });
}

void RetryingStore::probe(const std::stop_token& stop)
{
    state_->run(stop, [&](int) { state_->inner->probe(stop); });
}

std::optional<ObjectInfo> RetryingStore::stat(const std::string& key, const std::stop_token& stop)
{
    return state_->run(stop, [&](int) { return state_->inner->stat(key, stop); });
}

std::size_t RetryingStore::get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                               const std::stop_token& stop)
{
    const std::size_t got =
        state_->run(stop, [&](int) { return state_->inner->get(key, offset, buffer, stop); });
    state_->download.take(got, stop);
    return got;
}

void RetryingStore::create(const std::string& key, ByteSpan object, const std::stop_token& stop)
{
    state_->create(key, object, stop, [&] { state_->inner->create(key, object, stop); });
}

void RetryingStore::create(const std::string& key, const AlignedBuffer& object,
                           const std::stop_token& stop)
{
    state_->create(key, object.span(), stop, [&] { state_->inner->create(key, object, stop); });
}

void RetryingStore::remove(const std::string& key, const std::stop_token& stop)
{
    state_->run(stop, [&](int) { state_->inner->remove(key, stop); });
}

void RetryingStore::list(const std::string& prefix, Freshness freshness,
                         const std::function<void(const ObjectInfo&)>& each,
                         const std::stop_token& stop)
{
    // A list that broke off is begun again: what it gave before must not come twice.
    std::vector<ObjectInfo> all;
    state_->run(stop, [&](int) {
        all.clear();
        state_->inner->list(
            prefix, freshness, [&all](const ObjectInfo& object) { all.push_back(object); }, stop);
    });
    for (const ObjectInfo& object : all) {
        throw_if_stopped(stop);
        each(object);
    }
}

} // namespace backstay::core
