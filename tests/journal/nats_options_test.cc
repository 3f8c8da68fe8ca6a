#include "ndcao/journal/nats/nats_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ndcao {
namespace {

std::string Shown(const std::string& url) {
  NatsOptions options;
  options.url = url;
  return options.ShownUrl();
}

TEST(NatsOptionsTest, PasswordsAreNotShown) {
  EXPECT_EQ(Shown("nats://host:4222"), "nats://host:4222");
  EXPECT_EQ(Shown("nats://user:secret@host:4222"), "nats://host:4222");
  EXPECT_EQ(Shown("tls://token@a:1,b:2,user:p@ss@c:3"), "tls://a:1,b:2,c:3");
  EXPECT_EQ(Shown(""), "");
  NatsOptions wrong;
  wrong.url = "http://user:secret@host";
  EXPECT_THAT(wrong.Validate().error().message(), testing::Not(testing::HasSubstr("secret")));
}

}  // namespace
}  // namespace ndcao
