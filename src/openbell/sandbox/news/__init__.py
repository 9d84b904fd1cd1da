"""The news of the sandbox: feeds, opaque links, articles. All invented.

subjects   companies, sectors, papers
phrases    the sentences
articles   topic and day -> articles     (pure)
query      search words -> articles      (pure)
rss        articles -> feeds             (pure)
links      opaque identities             (pure)
pages      articles -> HTML              (pure)
simulator  what answers below /news
"""

from openbell.sandbox.news.simulator import News

__all__ = ["News"]
