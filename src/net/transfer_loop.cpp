#include "net/transfer_loop.hpp"

#include "base/clock.hpp"
#include "base/error.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <new>
#include <utility>

namespace backstay::core
{

namespace
{

// How late a deadline may be noticed.
constexpr double check_interval = 0.05;
constexpr int idle_wait = 60'000;

void check(CURLMcode code)
{
    if (code == CURLM_OUT_OF_MEMORY) {
        throw std::bad_alloc();
    }
    if (code != CURLM_OK) {
        throw Error(ErrorCode::internal,
                    fmt::format("libcurl failed: {}", curl_multi_strerror(code)));
    }
}

} // namespace

TransferLoop::TransferLoop(const HttpClientOptions& options)
    : most_active_(options.connections), multi_(curl_multi_init())
{
    if (!multi_) {
        throw std::bad_alloc();
    }
    check(curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS,
                            static_cast<long>(options.connections)));
    check(
        curl_multi_setopt(multi_.get(), CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING)));
    set_bandwidth(options.bandwidth);
    worker_.start("http", [this](const std::stop_token& stop) { run(stop); });
}

TransferLoop::~TransferLoop()
{
    worker_.request_stop();
    curl_multi_wakeup(multi_.get());
}

void TransferLoop::start(std::shared_ptr<Transfer> transfer)
{
    post({Verb::start, std::move(transfer)});
}

void TransferLoop::resume(std::shared_ptr<Transfer> transfer)
{
    post({Verb::resume, std::move(transfer)});
}

void TransferLoop::abort(std::shared_ptr<Transfer> transfer)
{
    post({Verb::abort, std::move(transfer)});
}

void TransferLoop::set_bandwidth(Bandwidth bandwidth)
{
    {
        const std::lock_guard lock(mutex_);
        new_bandwidth_ = bandwidth;
    }
    curl_multi_wakeup(multi_.get());
}

void TransferLoop::post(Command command)
{
    {
        const std::lock_guard lock(mutex_);
        if (broken_) {
            if (command.verb == Verb::start) {
                std::rethrow_exception(broken_);
            }
            return; // everything has ended already
        }
        commands_.push_back(std::move(command));
    }
    curl_multi_wakeup(multi_.get());
}

// ---- the event thread

void TransferLoop::run(const std::stop_token& stop)
{
    try {
        while (!stop.stop_requested()) {
            step();
        }
    } catch (...) {
        end_all(std::current_exception());
    }
}

void TransferLoop::step()
{
    obey();
    admit();
    int running = 0;
    check(curl_multi_perform(multi_.get(), &running));
    reap();
    const double now = monotonic_seconds();
    resume_for_bandwidth(now);
    if (now - checked_ >= check_interval) {
        checked_ = now;
        enforce_limits(now);
    }
    admit();
    wait(now);
}

void TransferLoop::obey()
{
    std::vector<Command> commands;
    std::optional<Bandwidth> bandwidth;
    {
        const std::lock_guard lock(mutex_);
        commands.swap(commands_);
        bandwidth = std::exchange(new_bandwidth_, std::nullopt);
    }
    if (bandwidth) {
        const double now = monotonic_seconds();
        upload_.set_rate(bandwidth->upload_bytes_per_second, now);
        download_.set_rate(bandwidth->download_bytes_per_second, now);
    }
    for (const Command& command : commands) {
        obey(command);
    }
}

void TransferLoop::obey(const Command& command)
{
    if (command.verb == Verb::start) {
        waiting_.push_back(command.transfer);
        return;
    }
    const bool active =
        std::find(active_.begin(), active_.end(), command.transfer) != active_.end();
    const bool waiting =
        std::find(waiting_.begin(), waiting_.end(), command.transfer) != waiting_.end();
    if (command.verb == Verb::abort && (active || waiting)) {
        end(*command.transfer, HttpFailure::cancelled);
    } else if (active) {
        resume_in_loop(*command.transfer);
    }
}

void TransferLoop::admit()
{
    while (!waiting_.empty() && active_.size() < most_active_) {
        const std::shared_ptr<Transfer> next = std::move(waiting_.front());
        waiting_.pop_front();
        active_.push_back(next);
        check(curl_multi_add_handle(multi_.get(), next->handle()));
    }
}

void TransferLoop::reap()
{
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        const CURLcode code = message->data.result; // gone when the handle is removed
        char* owner = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
        end(*reinterpret_cast<Transfer*>(owner), code);
    }
}

void TransferLoop::enforce_limits(double now)
{
    std::vector<std::pair<Transfer*, HttpFailure>> late;
    for (const auto& transfers : {std::vector(waiting_.begin(), waiting_.end()), active_}) {
        for (const std::shared_ptr<Transfer>& transfer : transfers) {
            if (const auto failure = transfer->overdue(now)) {
                late.emplace_back(transfer.get(), *failure);
            }
        }
    }
    for (const auto& [transfer, failure] : late) {
        end(*transfer, failure);
    }
}

void TransferLoop::resume_for_bandwidth(double now)
{
    const bool wanted = std::any_of(active_.begin(), active_.end(), [](const auto& transfer) {
        return transfer->waits_for_download() || transfer->waits_for_upload();
    });
    if (!wanted) {
        return;
    }
    // A copy: a transfer may end in between.
    std::vector<std::shared_ptr<Transfer>> turn = active_;
    first_served_ = (first_served_ + 1) % turn.size();
    std::rotate(turn.begin(), turn.begin() + static_cast<std::ptrdiff_t>(first_served_),
                turn.end());
    for (const std::shared_ptr<Transfer>& transfer : turn) {
        if ((transfer->waits_for_download() && download_.available(now) > 0) ||
            (transfer->waits_for_upload() && upload_.available(now) > 0)) {
            resume_in_loop(*transfer);
        }
    }
}

void TransferLoop::resume_in_loop(Transfer& transfer)
{
    if (const CURLcode code = transfer.resume(); code != CURLE_OK) {
        end(transfer, code);
    }
}

void TransferLoop::wait(double now)
{
    double seconds = active_.empty() && waiting_.empty() ? idle_wait / 1000.0 : check_interval;
    for (const std::shared_ptr<Transfer>& transfer : active_) {
        if (transfer->waits_for_download()) {
            seconds = std::min(seconds, download_.wait_seconds(now));
        }
        if (transfer->waits_for_upload()) {
            seconds = std::min(seconds, upload_.wait_seconds(now));
        }
    }
    check(curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(seconds * 1000) + 1, nullptr));
}

template <typename Reason>
void TransferLoop::end(Transfer& transfer, Reason reason)
{
    const auto is_it = [&transfer](const std::shared_ptr<Transfer>& other) {
        return other.get() == &transfer;
    };
    std::shared_ptr<Transfer> held;
    if (const auto active = std::find_if(active_.begin(), active_.end(), is_it);
        active != active_.end()) {
        held = *active;
        active_.erase(active);
        curl_multi_remove_handle(multi_.get(), transfer.handle());
    } else if (const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), is_it);
               waiting != waiting_.end()) {
        held = *waiting;
        waiting_.erase(waiting);
    }
    if (held) {
        held->finish(reason);
    }
}

void TransferLoop::end_all(const std::exception_ptr& error)
{
    std::vector<Command> commands;
    {
        const std::lock_guard lock(mutex_);
        broken_ = error;
        commands.swap(commands_);
    }
    for (const Command& command : commands) {
        if (command.verb == Verb::start) {
            waiting_.push_back(command.transfer);
        }
    }
    while (!active_.empty()) {
        end(*active_.back(), error);
    }
    while (!waiting_.empty()) {
        end(*waiting_.back(), error);
    }
}

} // namespace backstay::core
