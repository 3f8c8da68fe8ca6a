// libnats' objects with owners.
#pragma once

#include <nats/nats.h>

#include <memory>

namespace ndcao {

template <auto kDestroy>
struct Destroy {
  template <typename T>
  void operator()(T* object) const {
    kDestroy(object);
  }
};

using OptionsHandle = std::unique_ptr<natsOptions, Destroy<natsOptions_Destroy>>;
using ConnectionHandle = std::unique_ptr<natsConnection, Destroy<natsConnection_Destroy>>;
using JetStreamHandle = std::unique_ptr<jsCtx, Destroy<jsCtx_Destroy>>;
using MessageHandle = std::unique_ptr<natsMsg, Destroy<natsMsg_Destroy>>;
using SubscriptionHandle = std::unique_ptr<natsSubscription, Destroy<natsSubscription_Destroy>>;
using InboxHandle = std::unique_ptr<natsInbox, Destroy<natsInbox_Destroy>>;
using StreamInfoHandle = std::unique_ptr<jsStreamInfo, Destroy<jsStreamInfo_Destroy>>;
using ConsumerInfoHandle = std::unique_ptr<jsConsumerInfo, Destroy<jsConsumerInfo_Destroy>>;
using PubAckHandle = std::unique_ptr<jsPubAck, Destroy<jsPubAck_Destroy>>;
using BucketHandle = std::unique_ptr<kvStore, Destroy<kvStore_Destroy>>;
using EntryHandle = std::unique_ptr<kvEntry, Destroy<kvEntry_Destroy>>;

/// Takes ownership of what a C function puts into its out-parameter:
///   natsStatus s = js_GetMsg(Out(message), ...);
template <typename Handle>
class Out {
 public:
  explicit Out(Handle& handle) : handle_(handle) {}
  ~Out() { handle_.reset(raw_); }
  operator typename Handle::pointer *() { return &raw_; }  // NOLINT: that is the point

 private:
  Handle& handle_;
  typename Handle::pointer raw_ = nullptr;
};

}  // namespace ndcao
