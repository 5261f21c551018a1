#pragma once

#include "base/worker_group.hpp"
#include "net/curl_handles.hpp"
#include "net/http_client_options.hpp"
#include "net/token_bucket.hpp"
#include "net/transfer.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace backstay::core
{

/// The event thread: runs all transfers on one multi handle, and holds them to their limits. Its
/// commands are thread-safe.
class TransferLoop
{
public:
    explicit TransferLoop(const HttpClientOptions& options);
    /// Ends the thread. Requires: no transfer is in it.
    ~TransferLoop();
    TransferLoop(const TransferLoop&) = delete;
    TransferLoop& operator=(const TransferLoop&) = delete;

    /// Its buckets: for Transfer alone, which uses them on the event thread.
    Transfer::Limiters limiters() { return {upload_, download_}; }

    void start(std::shared_ptr<Transfer> transfer);
    /// The asking thread made way in a pipe.
    void resume(std::shared_ptr<Transfer> transfer);
    /// Ends it with HttpFailure::cancelled, unless it has ended.
    void abort(std::shared_ptr<Transfer> transfer);
    void set_bandwidth(Bandwidth bandwidth);

private:
    enum class Verb { start, resume, abort };
    struct Command {
        Verb verb;
        std::shared_ptr<Transfer> transfer;
    };

    void post(Command command);
    void run(const std::stop_token& stop);
    void step();
    void obey();
    void obey(const Command& command);
    void admit();
    void reap();
    void enforce_limits(double now);
    void resume_for_bandwidth(double now);
    void resume_in_loop(Transfer& transfer);
    void wait(double now);
    /// Out of the multi handle and of the lists; then `finish` ends it.
    template <typename Reason>
    void end(Transfer& transfer, Reason reason);
    void end_all(const std::exception_ptr& error);

    const std::size_t most_active_;
    CurlMulti multi_;

    // The event thread's.
    TokenBucket upload_;
    TokenBucket download_;
    std::deque<std::shared_ptr<Transfer>> waiting_;
    std::vector<std::shared_ptr<Transfer>> active_;
    std::size_t first_served_ = 0; // who gets bandwidth first: in turn
    double checked_ = 0;

    std::mutex mutex_; // guards what follows
    std::vector<Command> commands_;
    std::optional<Bandwidth> new_bandwidth_;
    std::exception_ptr broken_; // what ended the event thread

    WorkerGroup worker_; // last: it uses all the others
};

} // namespace backstay::core
