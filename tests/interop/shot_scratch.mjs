import { chromium } from "playwright-core";
const base="http://127.0.0.1:8931/";
const b=await chromium.launch({executablePath:"/usr/bin/chromium",args:["--no-sandbox","--use-fake-device-for-media-stream","--use-file-for-fake-audio-capture=/work/main/tests/data/speech.wav"],headless:true});
async function shot(name,{scheme="light",w=1280,h=800,q="",hash="#key=test-key",perm=true,act}={}){
  const c=await b.newContext({colorScheme:scheme,viewport:{width:w,height:h},permissions:perm?["microphone"]:[],deviceScaleFactor:1.5});
  const p=await c.newPage(); p.on("console",m=>console.log(name,m.type(),m.text())); p.on("pageerror",e=>console.log(name,"ERR",e.message));
  await p.goto(base+q+hash); await p.waitForTimeout(500);
  if(act) await act(p);
  await p.screenshot({path:`/tmp/p/shots/${name}.png`});
  console.log(name, await p.evaluate(()=>JSON.stringify({s:offhook.state,r:offhook.endReason,t:offhook.timings,url:location.href})));
  await c.close();
}
const call=async(p,ms=6000)=>{await p.click("#dial");await p.waitForTimeout(ms)};
const which=process.argv.slice(2);
const all={
 idle_light:()=>shot("idle_light"),
 idle_dark:()=>shot("idle_dark",{scheme:"dark"}),
 call_light:()=>shot("call_light",{act:p=>call(p)}),
 call_dark:()=>shot("call_dark",{scheme:"dark",act:p=>call(p)}),
 text_light:()=>shot("text_light",{q:"?model=echo-with-text",act:p=>call(p,11000)}),
 text_dark:()=>shot("text_dark",{scheme:"dark",q:"?model=echo-with-text",act:p=>call(p,8000)}),
 busy_light:()=>shot("busy_light",{q:"?model=busy",act:p=>call(p,800)}),
 drop_dark:()=>shot("drop_dark",{scheme:"dark",q:"?model=drop",act:p=>call(p,6000)}),
 key_light:()=>shot("key_light",{hash:""}),
 badkey_dark:()=>shot("badkey_dark",{scheme:"dark",hash:"#key=wrong"}),
 phone_light:()=>shot("phone_light",{w:390,h:844,q:"?model=echo-with-text",act:p=>call(p,6000)}),
 phone_dark:()=>shot("phone_dark",{scheme:"dark",w:390,h:844}),
 muted_light:()=>shot("muted_light",{act:async p=>{await call(p,3000);await p.click("#mute");await p.waitForTimeout(1200)}}),
 denied:()=>shot("denied",{perm:false,act:p=>call(p,800)}),
};
for(const k of which.length?which:Object.keys(all)) await all[k]();
await b.close();
